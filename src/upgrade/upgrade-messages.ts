import type { ListenSettings } from '../config/listen.ts'
import type { RestartOnly } from '../config/restart-only.ts'
import type { BoundEndpoint } from '../endpoint.ts'
import type { ErrorCode } from '../errors.ts'
import type { Hold } from '../lease/lease.ts'
import type { ServiceEvent } from '../lifecycle/event-kinds.ts'
import type { ConnectionCounts, StatsTotals } from '../status.ts'

/**
 * The version of the messages between a primary and its successor in a hot upgrade. The two run different
 * builds, so the successor states its version first, and is rejected when it speaks another one.
 */
export const upgradeProtocol = 2

/** A predecessor's counts and figures, and the events that it has recorded. */
export interface Tally {
  readonly counts: ConnectionCounts
  readonly figures: StatsTotals
  /** Events that have not been reported to the successor yet. */
  readonly events: readonly ServiceEvent[]
}

/** The state that a successor starts with. */
export interface HandoverState extends Tally {
  /** Number of the last generation of workers. */
  readonly generation: number
  /** The successor numbers its connections from the next one on. */
  readonly lastConnectionId: number
  /** Identity of the service in its fleet; undefined for a single host. */
  readonly instance?: string | undefined
  /** Settings that cannot change while the service runs. */
  readonly restartOnly: RestartOnly
  /** When the upgrade began, in milliseconds since the epoch. */
  readonly upgradeBeganAtMs: number
}

/** From the predecessor. */
export type ToSuccessor =
  /** Bring up the workers. */
  | ({ readonly kind: 'begin' } & HandoverState)
  /** Carries a listening socket; `following` others are sent after it. Releases up to 0.1 send one, without a number. */
  | ({ readonly kind: 'listener'; readonly following?: number } & BoundEndpoint)
  /** The service stands by, so there is no listening socket. */
  | { readonly kind: 'no-listener' }
  /** Carries the socket that is the PID lock of releases up to 0.1; the lock file is the successor's stdin. */
  | { readonly kind: 'lock' }
  /**
   * Continue the lease, if the service has one, accept connections, and take the paths by which the service is
   * found. `isBridgeExpected`: the supervisor's bridge has left for a restart, and the next one will attach.
   * From 0.2 on.
   */
  | { readonly kind: 'go'; readonly hold: Hold | null; readonly isBridgeExpected?: boolean }
  /** Carries a client's socket, from the queue. Releases up to 0.1 do not say where it was accepted. */
  | {
      readonly kind: 'connection'
      readonly id: number
      readonly ageMs: number
      readonly settings?: ListenSettings
    }
  /** The outcome of the connections that the predecessor accepted and did not pass on. */
  | ({ readonly kind: 'tally' } & Tally)

/** From the successor. */
export type FromSuccessor =
  | { readonly kind: 'hello'; readonly protocol: number; readonly version: string }
  /** Its workers are ready; it asks for the sockets. */
  | { readonly kind: 'prepared' }
  /** It has both sockets, and every step that can fail has succeeded; it waits for `go`. */
  | { readonly kind: 'holding' }
  /** It accepts connections and can be found; from here on there is no way back. */
  | { readonly kind: 'serving' }
  | { readonly kind: 'failed'; readonly message: string; readonly code?: ErrorCode | undefined }
  /** It now owns a connection. */
  | { readonly kind: 'adopted'; readonly id: number }
  /** A connection arrived without its socket, for example because no descriptor is left. */
  | { readonly kind: 'missing'; readonly id: number }
  /** The service ends; `withinMs` is how long the predecessor's active connections may take. */
  | { readonly kind: 'end'; readonly withinMs: number }
