import type { ServiceEvent } from './lifecycle/events.ts'
import type { PrimaryState } from './lifecycle/primary-states.ts'
import type { DrainPhase } from './lifecycle/drain-phases.ts'
import type { FleetStatus } from './fleet/status.ts'
import type { LeaseStatus } from './lease/lease.ts'
import type { SlotState } from './lifecycle/slot-states.ts'

/** One worker, as `status --json` shows it. */
export interface WorkerStatus {
  readonly slot: number
  readonly pid: number | null
  readonly state: SlotState
  readonly generation: number
  /** Connections served in this place; a recycled worker's successor begins at 0. */
  readonly served: number
  readonly rssBytes: number
  /** How long it has had the connection in hand, in milliseconds; null when it has none. */
  readonly busyMs: number | null
  /** The client in hand, `address:port`. */
  readonly remote: string | null
}

/** Every accepted connection is in exactly one of the others, at any instant. */
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

/** Half, and all but a hundredth, took no longer than that; milliseconds. */
export interface Percentiles {
  readonly p50: number
  readonly p99: number
}

/** How fast the service is: over the last five seconds, the durations over the last thirty. */
export interface Rates {
  /** Connections that workers have ended, in a second. */
  readonly perSecond: number
  /** From accepted to handed out; null when no worker has ended a connection lately. */
  readonly waitMs: Percentiles | null
  /** From handed out to ended. */
  readonly handlingMs: Percentiles | null
}

/** How often something took how long. */
export interface HistogramTotals {
  /** The buckets' upper bounds, in seconds. */
  readonly buckets: readonly number[]
  /** How many there were in each bucket and no other; at the end, those past the last bound. */
  readonly counts: readonly number[]
  readonly sumSeconds: number
}

/**
 * Why a worker was replaced: it ended with a status other than 0 (`exit`) or by a signal, was told to end by
 * others (`left`), was killed since it hung, died before it was ready, had no heap left, could not do its part (`unfit`), or was recycled.
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

/** Figures that only rise, from the service's start on. */
export interface FigureTotals {
  /** Connections that workers have ended: from accepted to handed out, and from there to their end. */
  readonly wait: HistogramTotals
  readonly handling: HistogramTotals
  readonly restarts: Readonly<Record<RestartCause, number>>
  readonly reloads: { readonly done: number; readonly failed: number }
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

/** The way to the service's end. */
export interface DrainStatus {
  /** What began it: a signal, or a command. */
  readonly cause: string
  readonly phase: DrainPhase
  /** Connections that wait for a worker, and that a worker has in hand. */
  readonly queued: number
  readonly inHand: number
  /** How long it may still take, in milliseconds; then what is left is dropped. */
  readonly remainingMs: number
}

/** Something that a service on standby waits for, besides the lease. */
export interface Waiting {
  /** A sentence for people. */
  readonly reason: string
  /** ISO 8601. */
  readonly since: string
}

/** The object of `status --json`: part of the contract, scripts read it. */
export interface Status {
  readonly name: string
  readonly version: string
  /** Changes when the code does: a digest of the compiled program and the app. */
  readonly build: string
  /** `degraded` is serving while a worker dies again and again. */
  readonly state: PrimaryState | 'degraded'
  readonly pid: number
  /** Of the primary alone. */
  readonly rssBytes: number
  readonly uptimeMs: number
  readonly generation: number
  readonly listen: { readonly host: string; readonly port: number }
  readonly workers: readonly WorkerStatus[]
  readonly queue: { readonly length: number; readonly max: number; readonly oldestMs: number }
  readonly connections: ConnectionCounts
  readonly rates: Rates
  readonly lastReload: ReloadResult | null
  /** Null while the service is not on its way to its end. */
  readonly drain: DrainStatus | null
  /** Why the service does not listen although it may; null when it does, or may not. Absent before 1.0. */
  readonly waiting?: Waiting | null
  /** The lease that hosts share through Redis; null for a service on its own. */
  readonly lease: LeaseStatus | null
  /** How the service stands among the hosts that share a Redis; null for a service on its own. */
  readonly fleet: FleetStatus | null
  readonly supervisor: { readonly attached: boolean; readonly pid: number | null }
  /** What happened to the service lately, newest last. */
  readonly events: readonly ServiceEvent[]
}

/** Why a service on standby does not serve. */
export function standbyReason({ waiting, lease }: Pick<Status, 'waiting' | 'lease'>): string {
  return waiting?.reason ?? lease?.reason ?? 'waiting'
}
