import type { Config } from '../config/load.ts'
import type { LogLevel } from '../config/log-levels.ts'
import { decodeProgress, isCount, type Progress } from './progress.ts'

/**
 * The version of what a primary and its workers say to each other. A worker runs the code that is on disk
 * when it starts, which may be newer than its primary's.
 */
export const workerProtocol = 2

/** What a worker is told once, before anything else. */
export interface WorkerBoot {
  readonly kind: 'boot'
  readonly service: string
  readonly slot: number
  readonly generation: number
  readonly config: Config
}

/** What a worker is to know of the lease. */
export interface WorkerLease {
  /** What each connection that is offered from now on is served by; null where no lease is needed. */
  readonly grant: ConnectionLease | null
  /** When what is in hand is to be given up, of the monotonic clock that processes share; null for never. */
  readonly abortAtMs: number | null
}

/** The leave that a connection is served by. */
export interface ConnectionLease {
  /** The fencing token: a later grant of the same slot has a higher one. */
  readonly token: number
  /** Which of the places that the lease has, from 1. */
  readonly slot: number
}

/** Primary to worker. An offer is a bare connection id, with the socket as the message's handle. */
export type ToWorker =
  | WorkerBoot
  | ({ readonly kind: 'lease' } & WorkerLease)
  | { readonly kind: 'retire' }
  | { readonly kind: 'terminate' }
  /** Log what is as severe as that. */
  | { readonly kind: 'log-level'; readonly level: LogLevel }

/** Worker to primary, over the channel; what happens to each connection goes through the progress pipe. */
export type FromWorker =
  /** Its listeners are in place. What is sent before that, node:cluster's own listener would swallow. */
  | { readonly kind: 'hello'; readonly protocol: number }
  | { readonly kind: 'ready' }
  | { readonly kind: 'boot-failed'; readonly reason: string }
  /**
   * It ends by itself, after what it has in hand: nothing more is to be offered to it. `unfit` is why it cannot do its
   * part any more; without it, somebody has told it to end.
   */
  | { readonly kind: 'leaving'; readonly unfit?: string }
  | ({ readonly kind: 'heartbeat'; readonly rssBytes: number } & WorkerView)

/**
 * What a worker has in hand as it sees it: by this the primary finds out what its reports did not say. Workers of
 * release 0.1 leave both out.
 */
export interface WorkerView {
  /** The connection that it has claimed and not ended; 0 for none. */
  readonly inHand?: number
  /** The last one that has ended. */
  readonly last?: Progress
}

/**
 * Reads a message from a worker. A worker runs other people's code, and that code can call
 * `process.send` too, so what arrives is decoded, not trusted.
 *
 * @returns the message, or undefined when it is none of ours
 */
export function decodeFromWorker(value: unknown): FromWorker | undefined {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return undefined
  switch (value.kind) {
    case 'hello':
      return 'protocol' in value && Number.isSafeInteger(value.protocol)
        ? { kind: 'hello', protocol: Number(value.protocol) }
        : undefined
    case 'ready':
      return { kind: 'ready' }
    case 'leaving':
      return 'unfit' in value && typeof value.unfit === 'string'
        ? { kind: 'leaving', unfit: value.unfit }
        : { kind: 'leaving' }
    case 'boot-failed':
      return 'reason' in value && typeof value.reason === 'string'
        ? { kind: 'boot-failed', reason: value.reason }
        : undefined
    case 'heartbeat':
      return 'rssBytes' in value && isCount(value.rssBytes)
        ? { kind: 'heartbeat', rssBytes: Number(value.rssBytes), ...viewOf(value) }
        : undefined
    default:
      return undefined
  }
}

function viewOf(value: object): WorkerView {
  const inHand: unknown = 'inHand' in value ? value.inHand : undefined
  const last = 'last' in value ? decodeProgress(value.last) : undefined
  return {
    ...(isCount(inHand) ? { inHand: Number(inHand) } : {}),
    ...(last === undefined ? {} : { last }),
  }
}

/** Reads what the primary sent beside offers. */
export function decodeToWorker(value: unknown): ToWorker | undefined {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return undefined
  const { kind } = value
  return typeof kind === 'string' && toWorkerKinds.has(kind) ? (value as ToWorker) : undefined
}

const toWorkerKinds: ReadonlySet<string> = new Set<ToWorker['kind']>([
  'boot',
  'lease',
  'retire',
  'terminate',
  'log-level',
])
