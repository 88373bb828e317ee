import type { FleetStatus } from './fleet/fleet-status.ts'
import type { LeaseStatus } from './lease/lease.ts'
import type { DrainPhase } from './lifecycle/drain-phases.ts'
import type { ServiceEvent } from './lifecycle/event-kinds.ts'
import type { FailReason } from './lifecycle/fail-reasons.ts'
import type { PrimaryState } from './lifecycle/primary-states.ts'
import type { SlotState } from './lifecycle/slot-states.ts'

/** One worker, as `status --json` shows it. */
export interface WorkerStatus {
  readonly slot: number
  readonly pid: number | null
  readonly state: SlotState
  readonly generation: number
  /** Connections served in this slot; a recycled worker's successor begins at 0. */
  readonly served: number
  readonly rssBytes: number
  /** How long it has handled its active connection, in milliseconds; null when it has none. */
  readonly busyMs: number | null
  /** The active client, `address:port`. */
  readonly remote: string | null
}

/** Every accepted connection is in exactly one of the other counts, at any instant. */
export interface ConnectionCounts {
  readonly accepted: number
  readonly served: number
  readonly failed: number
  readonly shed: number
  readonly expired: number
  readonly gone: number
  readonly queued: number
  readonly active: number
}

/** The durations that half of all, and all but a hundredth, did not exceed; in milliseconds. */
export interface Percentiles {
  readonly p50: number
  readonly p99: number
}

/** How fast the service is: the rate over the last five seconds, the durations over the last thirty. */
export interface Rates {
  /** Connections that workers have ended, per second. */
  readonly perSecond: number
  /** From acceptance to hand-over; null when no worker has ended a connection lately. */
  readonly waitMs: Percentiles | null
  /** From hand-over to the end. */
  readonly handlingMs: Percentiles | null
}

/** A histogram of durations. */
export interface HistogramTotals {
  /** The buckets' upper bounds, in seconds. */
  readonly buckets: readonly number[]
  /** The number in each bucket alone; the last one counts durations past the last bound. */
  readonly counts: readonly number[]
  readonly sumSeconds: number
}

/**
 * Why a worker was replaced: it ended with a status other than 0 (`exit`) or by a signal, was told to end by
 * others (`left`), was killed because it hung, died before it was ready, ran out of heap, could not do its part
 * (`unfit`), or was recycled.
 */
export type RestartCause =
  | 'exit'
  | 'signal'
  | 'left'
  | 'hung'
  | 'not-ready'
  | 'out-of-memory'
  | 'unfit'
  | 'recycled'

/**
 * Why a connection was shed: its client is not let in (`access`), connects too often or has too many connections; the
 * queue or the descriptors were used up; or the lease was lost, so that another host is to serve it.
 */
export type ShedReason = 'denied' | 'rate-limit' | 'client-limit' | 'queue-full' | 'lease-lost'

/** Stats since the service's start, which only rise. */
export interface StatsTotals {
  /** Connections that workers have ended: from acceptance to hand-over, and from there to their end. */
  readonly wait: HistogramTotals
  readonly handling: HistogramTotals
  readonly restarts: Readonly<Record<RestartCause, number>>
  readonly reloads: { readonly done: number; readonly failed: number }
  /** Absent before 1.0. */
  readonly failures?: Readonly<Record<FailReason, number>>
  readonly shed?: Readonly<Record<ShedReason, number>>
}

/** How the last reload ended. */
export interface ReloadResult {
  /** ISO 8601. */
  readonly at: string
  readonly outcome: 'done' | 'failed'
  /** Why it failed, and in which step; null when it did not. */
  readonly reason: string | null
  readonly durationMs: number
}

/** The progress of a drain. */
export interface DrainStatus {
  /** The signal or the command that began it. */
  readonly cause: string
  readonly phase: DrainPhase
  /** Connections that wait for a worker, and those that a worker handles. */
  readonly queued: number
  readonly inHand: number
  /** How long it may still take, in milliseconds; then the remaining connections are dropped. */
  readonly remainingMs: number
}

/** Something that a service on standby waits for, besides the lease. */
export interface Waiting {
  /** A sentence for people. */
  readonly reason: string
  /** ISO 8601. */
  readonly since: string
}

/** A certificate in use. */
export interface CertificateStatus {
  readonly endpoint: string
  /** The server name that it is for; null for all that have no other. */
  readonly serverName: string | null
  readonly subject: string
  /** ISO 8601. */
  readonly expiresAt: string
}

/** The object of `status --json`, which is part of the contract: scripts read it. */
export interface Status {
  readonly name: string
  readonly version: string
  /** A digest of the compiled program and the app, which changes when the code does. */
  readonly build: string
  /** `degraded`: serving while a worker dies again and again. */
  readonly state: PrimaryState | 'degraded'
  readonly pid: number
  /** Of the primary alone. */
  readonly rssBytes: number
  readonly uptimeMs: number
  readonly generation: number
  /** The first TCP endpoint; an empty host and port 0 when there are Unix sockets only. */
  readonly listen: { readonly host: string; readonly port: number }
  /** The texts of all endpoints, in the order of the configuration. Absent before 1.0. */
  readonly endpoints?: readonly string[] | undefined
  readonly workers: readonly WorkerStatus[]
  readonly queue: { readonly length: number; readonly max: number; readonly oldestMs: number }
  readonly connections: ConnectionCounts
  /** The way from the queue to the workers, and why it is this one. Absent before 1.0. */
  readonly handOff?: 'native' | 'portable'
  readonly handOffReason?: string
  /** Who accepts connections at this moment. Absent before 1.0. */
  readonly acceptor?: 'primary' | 'workers'
  readonly rates: Rates
  readonly lastReload: ReloadResult | null
  /** Null while the service is not draining. */
  readonly drain: DrainStatus | null
  /** Why the service does not listen although it may; null when it listens, or may not. Absent before 1.0. */
  readonly waiting?: Waiting | null
  /** The lease that hosts share through Redis; null for a service on its own. */
  readonly lease: LeaseStatus | null
  /** The service's standing among the hosts that share a Redis; null for a service on its own. */
  readonly fleet: FleetStatus | null
  /** The certificates of all endpoints with TLS. Absent before 1.0. */
  readonly certificates?: readonly CertificateStatus[]
  readonly supervisor: { readonly attached: boolean; readonly pid: number | null }
  /** Recent events of the service, newest last. */
  readonly events: readonly ServiceEvent[]
}

/** Why a service on standby does not serve. */
export function standbyReason({ waiting, lease }: Pick<Status, 'waiting' | 'lease'>): string {
  return waiting?.reason ?? lease?.reason ?? 'waiting'
}
