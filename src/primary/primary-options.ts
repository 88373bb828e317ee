import type { Environment } from '../config/environment.ts'
import type { Config } from '../config/load.ts'
import type { Fleet } from '../fleet/fleet.ts'
import type { OpenLease } from '../lease/lease.ts'
import type { ReloadResult } from '../status.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Inheritance } from '../upgrade/messages.ts'
import type { Successor } from '../upgrade/successor.ts'
import type { CrewOptions } from './crew.ts'
import type { StopResult } from './drain.ts'
import type { Move } from './listeners.ts'
import type { PidLock } from '../lock/pid-lock.ts'

/** What a primary is, and whom it tells of what. */
export interface PrimaryOptions {
  readonly name: string
  readonly environment: Environment
  readonly config: Config
  readonly runDir: string
  readonly workerModule: string
  /** A listening socket that this process was given, in place of the configured host and port. */
  readonly inheritedFd?: number | undefined
  /** Who the service is in its fleet; undefined where it is alone. */
  readonly instance: string | undefined
  /** What decides whether this host may serve. */
  readonly openLease: OpenLease
  /** The hosts that it shares a Redis with. */
  readonly fleet: Fleet
  readonly log: Logger
  /** Has the log be as a configuration has it. */
  readonly applyLog: (config: Config) => void
  readonly openOutput: CrewOptions['openOutput']
  /** What a predecessor leaves; undefined for a service that starts afresh. */
  readonly inheritance?: Inheritance | undefined
  /** Resolves when the predecessor has finished what it had in hand. */
  readonly predecessorGone?: Promise<void> | undefined
  /** Starts a process that is to take the service over. */
  readonly startSuccessor: (
    program: string,
    environment: Environment,
    readyTimeoutMs: number,
  ) => Successor
  /** Binds the page's address, when the configuration has another one. */
  readonly moveAdmin: (config: Config) => Promise<Move>
  /** What keeps others from being this service. */
  readonly lock: () => PidLock
  /** Told when this host begins to serve: once where it is alone, perhaps again and again with others. */
  readonly onServing: () => void
  /** Told of each reload that was asked for; its outcome never rejects. */
  readonly onReloading: (outcome: Promise<ReloadResult>) => void
  /** Told when the service begins to end, with the cause. */
  readonly onDraining: (cause: string) => void
  /** Told when what is left is dropped. */
  readonly onCut: () => void
  /** Told when another process may become the service: it puts itself where this one is found. */
  readonly onHandingOver: () => void
  /** Told when another process has become the service; `leaving` settles when what is in hand here has ended. */
  readonly onHandedOver: (pid: number, leaving: Promise<StopResult>) => void
  /** Told when another process did not become the service after all: it may have begun to be found as such. */
  readonly onNotHandedOver: () => Promise<void>
}
