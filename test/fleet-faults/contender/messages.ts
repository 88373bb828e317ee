import type { ClaimOptions } from './claim.ts'

/** The lock in use: the project's lease, or the naive one that must fail the suite. */
export type Lock = 'shared' | 'naive'

export interface ContenderOptions extends ClaimOptions {
  readonly lock: Lock
  /** The path on which the resource listens. */
  readonly socket: string
  readonly journal: string
}

export type ToContender =
  | { readonly kind: 'acquire' }
  /** Answered by 'released' when it is done. */
  | { readonly kind: 'release' }
  /** Keeps the event loop busy. */
  | { readonly kind: 'block'; readonly ms: number }

export type FromContender = 'ready' | 'released'
