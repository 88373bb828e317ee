import type { Environment } from '../config/environment.ts'
import type { Config } from '../config/load.ts'
import type { RunFiles } from '../config/run-dir.ts'
import type { FleetMembership } from '../membership/membership.ts'
import type { PidLock } from '../lock/pid-lock.ts'
import type { ReleaseStack } from './release-stack.ts'
import type { Notifier } from '../systemd/notifier.ts'
import type { LogFile } from '../telemetry/log-file.ts'
import type { ServiceLog } from '../telemetry/service-log.ts'
import type { Inheritance } from '../upgrade/messages.ts'
import type { Predecessor } from '../upgrade/predecessor.ts'

/** A daemon logs to its file and reports to its launcher; in the foreground, a person watches. */
export type Mode = 'daemon' | 'foreground'

/** The properties of a service, and what it works with. */
export interface ServiceOptions {
  readonly name: string
  readonly mode: Mode
  readonly files: RunFiles
  readonly environment: Environment
  readonly config: Config
  readonly serviceLog: ServiceLog
  /** The log file; undefined in the foreground. */
  readonly logFile?: LogFile | undefined
  /** The resources to release when the service ends. */
  readonly stack: ReleaseStack
  readonly lock: () => PidLock
  readonly notifier: Notifier
  /** The service's place among the hosts of its fleet. */
  readonly membership: FleetMembership
  /** A listening socket that this process was given, in place of the configured host and port. */
  readonly inheritedFd?: number | undefined
  /** The process from which this one takes the service over, and the state that it passes on. */
  readonly predecessor?: Predecessor
  readonly inheritance?: Inheritance
}
