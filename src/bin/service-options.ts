import type { Environment } from '../config/environment.ts'
import type { Config } from '../config/load.ts'
import type { RunFiles } from '../config/run-dir.ts'
import type { FleetMembership } from '../lease/open-lease.ts'
import type { PidLock } from '../lock/pid-lock.ts'
import type { ReleaseStack } from '../primary/release-stack.ts'
import type { Notifier } from '../systemd/notifier.ts'
import type { LogFile } from '../telemetry/log-file.ts'
import type { ServiceLog } from '../telemetry/service-log.ts'
import type { Inheritance } from '../upgrade/messages.ts'
import type { Predecessor } from '../upgrade/predecessor.ts'

/** A daemon logs to its file and answers its launcher; in the foreground a person looks on. */
export type Mode = 'daemon' | 'foreground'

/** What a service is, and what it works with. */
export interface ServiceOptions {
  readonly name: string
  readonly mode: Mode
  readonly files: RunFiles
  readonly environment: Environment
  readonly config: Config
  readonly serviceLog: ServiceLog
  /** The file that the log is in; undefined in the foreground. */
  readonly logFile?: LogFile | undefined
  /** What is given back when the service ends. */
  readonly stack: ReleaseStack
  readonly lock: () => PidLock
  readonly notifier: Notifier
  /** What the service is among those on other hosts. */
  readonly membership: FleetMembership
  /** A listening socket that this process was given, in place of the configured host and port. */
  readonly inheritedFd?: number | undefined
  /** The process that this one takes the service over from, and what it leaves. */
  readonly predecessor?: Predecessor
  readonly inheritance?: Inheritance
}
