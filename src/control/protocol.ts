import type { Environment } from '../config/environment.ts'
import type { Config } from '../config/load.ts'
import type { LogLevel } from '../config/log-levels.ts'
import type * as z from '../config/zod.ts'
import type { FleetOperations, FleetView } from '../fleet/fleet.ts'
import type { ReloadResult, Status } from '../status.ts'
import type { requestParams } from './params.ts'

/**
 * The version of the control socket's protocol. The two ends may be of different builds, such as an updated
 * command line beside an older service: they must notice rather than misread each other.
 */
export const controlProtocol = 1

/** The largest request replaces the environment; the system allows one variable as much (MAX_ARG_STRLEN). */
export const maxRequestBytes = 131_072

export type Method = keyof typeof requestParams
/** Parameters as a caller gives them, and as they arrive with their defaults filled in. */
export type Params<M extends Method> = z.input<(typeof requestParams)[M]>
export type CheckedParams<M extends Method> = z.output<(typeof requestParams)[M]>

/** The program and the environment that a running primary was started with. */
export interface ProgramIdentity {
  /** The path that names its program: through a link, if a deploy switches one. */
  readonly path: string
  /** The file that this path led to when the primary was started. */
  readonly file: string
  /** Digest of the variables that only a new process can be given. */
  readonly environmentDigest: string
}

/** The result of each request. */
export interface Results {
  hello: { readonly protocol: number; readonly version: string; readonly pid: number }
  status: Status
  reload: ReloadResult
  upgrade: ReloadResult
  /** Answered when the service has ended; `dropped` counts the connections that were cut short. */
  stop: { readonly dropped: number }
  fleet: FleetView
  'fleet-forget': { readonly forgotten: string }
  'fleet-clear': { readonly cleared: number }
  scale: { readonly workers: number }
  'log-level': { readonly level: LogLevel }
  /** `superseded`: another bridge was attached until now. `restarting`: the last one left for a restart. */
  attach: {
    readonly superseded: boolean
    readonly restarting?: boolean
    readonly status: Status
    /** Digest of the running configuration, by which a supervisor can tell whether the one on disk differs. */
    readonly configDigest: string
    /** Digest of the running primary's own code. */
    readonly programId: string
    /** Since 1.0. */
    readonly program?: ProgramIdentity
    readonly drainTimeoutMs: number
    readonly drainAnnounceMs: number
    readonly readyTimeoutMs: number
  }
  /** Why an upgrade cannot perform the restart, so that it takes a stop and a start; null when it can. */
  restarting: { readonly obstacle: string | null }
}

/** Messages that the primary sends unasked. */
export interface Notifications {
  /** Another bridge has attached, of process `pid`; this one has nothing left to do. */
  superseded: { readonly pid?: number }
  /** Another process is the service now, and listens on the same path; this one finishes its active connections. */
  'handed-over': { readonly pid: number }
  /** The service is ending on purpose, so the primary's exit is not a crash. */
  draining: { readonly cause: string }
}

/** The parts of a service that a reload may replace. */
export type ReloadParams = Omit<CheckedParams<'reload'>, 'cause'>
/** The parts of a service that an upgrade may replace. */
export type UpgradeParams = Omit<CheckedParams<'upgrade'>, 'cause'>

/** The control socket's interface to the service; the primary is behind it. */
export interface ControlTarget {
  status(): Status
  readonly config: Config
  /** Digest of the code that the service was started from. */
  readonly programId: string
  readonly program: ProgramIdentity
  reload(cause: string, request: ReloadParams): Promise<ReloadResult>
  upgrade(cause: string, request: UpgradeParams): Promise<ReloadResult>
  stop(cause: string, force: boolean): Promise<{ readonly dropped: number }>
  /** Rejects with `HANDED_OVER` when another process is the service. */
  restartObstacle(environment: Environment | undefined): Promise<string | null>
  readonly fleetOperations: FleetOperations
  scale(workers: number): Promise<void>
  logAt(level: LogLevel): void
}
