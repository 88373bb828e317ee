import type { RestartOnly } from '../config/restart-only.ts'
import type { BoundEndpoint } from '../endpoint.ts'
import type { ErrorCode } from '../errors.ts'
import type { Hold } from '../lease/lease.ts'
import type { ServiceEvent } from '../lifecycle/events.ts'
import type { ConnectionCounts, FigureTotals } from '../status.ts'

/**
 * What a primary and its successor say to each other in a hot upgrade. They run different builds, so each
 * names the version of this protocol first, and a successor that speaks another one is not let in.
 */
export const upgradeProtocol = 2

/** What a predecessor has counted and seen. */
export interface Tally {
  readonly counts: ConnectionCounts
  readonly figures: FigureTotals
  /** Those that the successor has not been told of yet. */
  readonly events: readonly ServiceEvent[]
}

/** What a successor begins with. */
export interface Inheritance extends Tally {
  /** The last generation of workers. */
  readonly generation: number
  /** Connections had numbers up to here. */
  readonly lastConnectionId: number
  /** Who the service is in its fleet; undefined where it is alone. */
  readonly instance?: string | undefined
  /** What cannot change while the service goes on. */
  readonly restartOnly: RestartOnly
  /** When the upgrade was begun, milliseconds since the epoch. */
  readonly upgradeBeganAtMs: number
}

/** From the predecessor. */
export type ToSuccessor =
  /** Bring the workers up. */
  | ({ readonly kind: 'begin' } & Inheritance)
  /** With the socket that the service listens on. */
  | ({ readonly kind: 'listener' } & BoundEndpoint)
  /** The service stands by: there is no socket that it listens on. */
  | { readonly kind: 'no-listener' }
  /** With the socket that is the PID lock of releases up to 0.1; the lock file is the successor's stdin. */
  | { readonly kind: 'lock' }
  /**
   * Go on with the lease, if the service has one; accept connections, and have people find you. `isBridgeExpected`: the
   * supervisor's bridge has left for a restart, and the next one comes for it. From 0.2 on.
   */
  | { readonly kind: 'go'; readonly hold: Hold | null; readonly isBridgeExpected?: boolean }
  /** With a client's socket, from the queue. */
  | { readonly kind: 'connection'; readonly id: number; readonly ageMs: number }
  /** What has become of the connections that the predecessor accepted and did not pass on. */
  | ({ readonly kind: 'tally' } & Tally)

/** From the successor. */
export type FromSuccessor =
  | { readonly kind: 'hello'; readonly protocol: number; readonly version: string }
  /** Its workers are ready; it asks for the sockets. */
  | { readonly kind: 'prepared' }
  /** It has both sockets, and all that can fail has succeeded; it waits for the word. */
  | { readonly kind: 'holding' }
  /** It accepts connections, and people find it: from here on there is no way back. */
  | { readonly kind: 'serving' }
  | { readonly kind: 'failed'; readonly message: string; readonly code?: ErrorCode | undefined }
  /** A connection is its own now. */
  | { readonly kind: 'adopted'; readonly id: number }
  /** A connection came without its socket: it has no descriptor left, say. */
  | { readonly kind: 'missing'; readonly id: number }
  /** The service ends: what the predecessor has in hand may take so long. */
  | { readonly kind: 'end'; readonly withinMs: number }
