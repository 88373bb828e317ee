import type { ListenSettings } from '../config/listen.ts'
import type { Config } from '../config/load.ts'
import type { LogLevel } from '../config/log-levels.ts'
import type { TlsMaterial } from '../tls/tls-material.ts'
import { decodeProgress, isCount, type Progress } from './progress.ts'

/**
 * The version of the protocol between a primary and its workers. A worker runs the code that is on disk when it
 * starts, which may be newer than its primary's.
 */
export const workerProtocol = 7

/** The first message to a worker, sent once. */
export interface WorkerBoot {
  readonly kind: 'boot'
  readonly service: string
  readonly slot: number
  readonly generation: number
  readonly config: Config
  /** How connections come to it: offered one by one, or taken from a queue by itself once it is admitted. */
  readonly handOff: 'native' | 'portable'
  /** Whether a worker may start another primary when its own was killed. */
  readonly startsPrimary: boolean
  /** All endpoints that connections may come from; an offer has the index. */
  readonly endpoints: readonly ServedEndpoint[]
}

/** An endpoint, as workers serve it. */
export interface ServedEndpoint {
  readonly settings: ListenSettings
  /**
   * Private keys are in it. Null where the endpoint has no TLS, and for one of a primary that was killed which the
   * configuration does not have any more.
   */
  readonly tls: TlsMaterial | null
}

/** The part of the lease that concerns a worker. */
export interface WorkerLease {
  /** The lease under which each connection offered from now on is served; null where no lease is needed. */
  readonly grant: ConnectionLease | null
  /** When to give up the active connection, by the monotonic clock that processes share; null for never. */
  readonly abortAtMs: number | null
}

/** The lease under which a connection is served. */
export interface ConnectionLease {
  /** The fencing token: a later grant of the same slot has a higher one. */
  readonly token: number
  /** Which of the lease's slots this is, from 1. */
  readonly slot: number
}

/**
 * A connection for a worker, with the socket as the message's handle: its id, the index of its endpoint, and, where that
 * has PROXY headers, the bytes that the primary has read, in base64: the header, and perhaps some that follow it.
 */
export type Offer = readonly [id: number, endpoint: number, preface?: string]

/** An offer that could not be sent: the connection's id, and -errno. */
export interface Unsent {
  readonly id: number
  readonly errno: number
}

/** Primary to worker, besides offers. */
export type ToWorker =
  | WorkerBoot
  | ({ readonly kind: 'lease' } & WorkerLease)
  /** Take connections from the queue from now on. */
  | { readonly kind: 'admit' }
  /** End after the active connection; with `afterQueue`, once the queue is empty as well. */
  | { readonly kind: 'retire'; readonly afterQueue?: true }
  /** The service ends: no worker goes on without this primary. */
  | { readonly kind: 'ending' }
  | { readonly kind: 'terminate' }
  /** There are more endpoints; an index that was given before still means the same one. */
  | { readonly kind: 'endpoints'; readonly endpoints: readonly ServedEndpoint[] }
  /** Log messages of this level and above. */
  | { readonly kind: 'log-level'; readonly level: LogLevel }

/** Worker to primary, over the channel; the outcome of each connection goes through the progress pipe. */
export type FromWorker =
  /** The worker's listeners are in place. Until then, node:cluster's own listener would swallow messages. */
  | { readonly kind: 'hello'; readonly protocol: number }
  | { readonly kind: 'ready' }
  | { readonly kind: 'boot-failed'; readonly reason: string }
  /**
   * The worker ends by itself, after its active connection, and must be offered nothing more. `unfit` is the
   * reason why it can no longer do its part; without it, the worker was told to end.
   */
  | { readonly kind: 'leaving'; readonly unfit?: string }
  | ({ readonly kind: 'heartbeat'; readonly rssBytes: number } & WorkerView)

/**
 * A worker's view of its connections, by which the primary learns what the reports did not say. Workers of
 * release 0.1 omit both.
 */
export interface WorkerView {
  /** The connection that it has claimed and not yet ended; 0 for none. */
  readonly inHand?: number
  /** The report of the last connection that has ended. */
  readonly last?: Progress
}

/**
 * Decodes a message from a worker. A worker runs other people's code, which can call `process.send` too, so
 * messages are checked, not trusted.
 *
 * @returns the message, or undefined when it is not one of ours
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

/** Whether a message from the primary is an offer. */
export function isOffer(value: unknown): value is Offer {
  return Array.isArray(value)
}

/** Decodes a message from the primary other than an offer. */
export function decodeToWorker(value: unknown): ToWorker | undefined {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return undefined
  const { kind } = value
  return typeof kind === 'string' && toWorkerKinds.has(kind) ? (value as ToWorker) : undefined
}

const toWorkerKinds: ReadonlySet<string> = new Set<ToWorker['kind']>([
  'boot',
  'lease',
  'admit',
  'retire',
  'ending',
  'terminate',
  'endpoints',
  'log-level',
])
