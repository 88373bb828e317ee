import type { z } from 'zod'
import type { Environment } from '../config/environment.ts'
import type { Config } from '../config/load.ts'
import type { LogLevel } from '../config/log-levels.ts'
import type { FleetDesk, FleetView } from '../fleet/fleet.ts'
import type { ReloadResult, Status } from '../status.ts'
import type { requestParams } from './params.ts'

/**
 * The version of what is said on the control socket. Both ends may be of different builds, such as a command
 * line that was updated beside a service that was not: they must notice rather than misread each other.
 */
export const controlProtocol = 1

export type Method = keyof typeof requestParams
/** As a caller gives them, and as they arrive with their defaults filled in. */
export type Params<M extends Method> = z.input<(typeof requestParams)[M]>
export type CheckedParams<M extends Method> = z.output<(typeof requestParams)[M]>

/** What each request is answered with. */
export interface Results {
  hello: { readonly protocol: number; readonly version: string; readonly pid: number }
  status: Status
  reload: ReloadResult
  upgrade: ReloadResult
  /** Answered when the service has ended; `dropped` connections were cut short. */
  stop: { readonly dropped: number }
  fleet: FleetView
  'fleet-forget': { readonly forgotten: string }
  'fleet-clear': { readonly cleared: number }
  scale: { readonly workers: number }
  'log-level': { readonly level: LogLevel }
  /** `superseded`: another bridge was attached until now. `restarting`: the last one has left for a restart. */
  attach: {
    readonly superseded: boolean
    readonly restarting?: boolean
    readonly status: Status
    /** Of the running configuration, so that a supervisor can tell whether the one on disk is another. */
    readonly configDigest: string
    /** Of the running primary's own code. */
    readonly programId: string
    readonly drainTimeoutMs: number
    readonly drainAnnounceMs: number
    readonly readyTimeoutMs: number
  }
  /** Why no upgrade can do what the restart is to do, so that it takes a stop and a start; null when one can. */
  restarting: { readonly obstacle: string | null }
}

/** What the primary tells an attached bridge without being asked. */
export interface Notifications {
  /** Another bridge, a process, has attached; this one has no more to do. */
  superseded: { readonly pid?: number }
  /** Another process is the service now, and listens on the same path; this one finishes what it has in hand. */
  'handed-over': { readonly pid: number }
  /** The service ends on purpose; that the primary goes away then is no crash. */
  draining: { readonly cause: string }
}

/** What a reload may replace. */
export type ReloadParams = Omit<CheckedParams<'reload'>, 'cause'>
/** What an upgrade may replace. */
export type UpgradeParams = Omit<CheckedParams<'upgrade'>, 'cause'>

/** What the control socket needs of a service; the primary is behind it. */
export interface ControlTarget {
  status(): Status
  readonly config: Config
  /** Of the code that it was started from. */
  readonly programId: string
  reload(cause: string, request: ReloadParams): Promise<ReloadResult>
  upgrade(cause: string, request: UpgradeParams): Promise<ReloadResult>
  stop(cause: string, force: boolean): Promise<{ readonly dropped: number }>
  /** Rejects with `HANDED_OVER` when another process is the service. */
  restartObstacle(environment: Environment | undefined): Promise<string | null>
  readonly fleet: FleetDesk
  scale(workers: number): Promise<void>
  logAt(level: LogLevel): void
}
