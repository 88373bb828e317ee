import type { ClaimOptions } from './claim.ts'

/** By which means it contends: the project's lease, or the lock that must fail the suite. */
export type Lock = 'shared' | 'naive'

export interface ContenderOptions extends ClaimOptions {
  readonly lock: Lock
  /** Where the resource listens. */
  readonly socket: string
  readonly journal: string
}

export type ToContender =
  | { readonly kind: 'seek' }
  /** Answered by 'released' when it is done. */
  | { readonly kind: 'release' }
  /** Keeps the event loop busy. */
  | { readonly kind: 'block'; readonly ms: number }

export type FromContender = 'ready' | 'released'
