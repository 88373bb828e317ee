import type { Environment } from '../config/environment.ts'
import type { Config } from '../config/load.ts'
import type { Fleet } from '../fleet/fleet.ts'
import type { OpenLease } from '../lease/lease.ts'
import type { ReloadResult } from '../status.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Inheritance } from '../upgrade/messages.ts'
import type { Successor } from '../upgrade/successor.ts'
import type { CrewOptions } from '../pool/crew.ts'
import type { StopResult } from './drain.ts'
import type { Move } from '../connections/listeners.ts'
import type { PidLock } from '../lock/pid-lock.ts'
import type { Release } from './release.ts'

/** The parts of a primary that its process supplies, and the events that it reports. */
export interface PrimaryOptions {
  readonly name: string
  readonly environment: Environment
  readonly config: Config
  readonly runDir: string
  readonly workerModule: string
  /** A listening socket that this process was given, in place of the configured host and port. */
  readonly inheritedFd?: number | undefined
  /** Identity of the service in its fleet; undefined for a single host. */
  readonly instance: string | undefined
  /** Opens the lease that decides whether this host may serve. */
  readonly openLease: OpenLease
  /** The hosts that share a Redis with this one. */
  readonly fleet: Fleet
  readonly log: Logger
  /** Adapts the log to a configuration. */
  readonly applyLog: (config: Config) => void
  readonly openOutput: CrewOptions['openOutput']
  /** The state that a predecessor passes on; undefined for a service that starts afresh. */
  readonly inheritance?: Inheritance | undefined
  /** Resolves when the predecessor has finished its active connections. */
  readonly predecessorGone?: Promise<void> | undefined
  /** What this process was started from. */
  readonly release: Release
  /** Starts a process that is to take over the service. */
  readonly startSuccessor: (
    program: string,
    environment: Environment,
    readyTimeoutMs: number,
  ) => Successor
  /** Binds the page's address when the configuration has another one. */
  readonly moveAdmin: (config: Config) => Promise<Move>
  /** The lock that keeps other processes from being this service. */
  readonly lock: () => PidLock
  /** Called when this host begins to serve: once for a single host, possibly several times in a fleet. */
  readonly onServing: () => void
  /** Called for each reload that was requested; its outcome never rejects. */
  readonly onReloading: (outcome: Promise<ReloadResult>) => void
  /** Called when the service begins to end, with the cause. */
  readonly onDraining: (cause: string) => void
  /** Called when the remaining connections are dropped. */
  readonly onCut: () => void
  /** Called when another process may become the service and take over the paths by which it is found. */
  readonly onHandingOver: () => void
  /**
   * Called when another process has become the service; `leaving` settles when the connections in hand here
   * have ended.
   */
  readonly onHandedOver: (pid: number, leaving: Promise<StopResult>) => void
  /** Called when another process did not become the service after all, but may have taken over those paths. */
  readonly onNotHandedOver: () => Promise<void>
}
