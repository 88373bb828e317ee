import type { Environment } from '../config/environment.ts'
import type { Config } from '../config/load.ts'
import type { RunFiles } from '../config/run-dir.ts'
import type { GivenSocket } from '../connections/listeners.ts'
import type { PidLock } from '../lock/pid-lock.ts'
import type { FleetMembership } from '../membership/membership.ts'
import type { Rescued } from '../rescue/rescue.ts'
import type { Notifier } from '../systemd/notifier.ts'
import type { LogFile } from '../telemetry/log-file.ts'
import type { ServiceLog } from '../telemetry/service-log.ts'
import type { Keyring } from '../tls/keyring.ts'
import type { Predecessor } from '../upgrade/predecessor.ts'
import type { HandoverState } from '../upgrade/upgrade-messages.ts'
import type { CleanupStack } from './cleanup-stack.ts'

/** A daemon logs to its file and reports to its launcher; in the foreground, a person watches. */
export type Mode = 'daemon' | 'foreground'

/** How a process becomes the service: by a start, or by taking over from another process in an upgrade. */
export type Origin =
  | {
      readonly kind: 'start'
      readonly lock: PidLock
      /** Listening sockets that this process was given for endpoints of the configuration. */
      readonly inherited: readonly GivenSocket[]
      /** What is left of a primary that was killed; undefined when there is none. */
      readonly rescued: Rescued | undefined
      /** The TLS of its endpoints, which was read while this process could read it. */
      readonly keyring: Keyring
    }
  | {
      readonly kind: 'upgrade'
      readonly predecessor: Predecessor
      readonly state: HandoverState
    }

/** The properties of a service, and what its process has opened for it. */
export interface ServiceOptions {
  readonly files: RunFiles
  readonly mode: Mode
  readonly environment: Environment
  readonly config: Config
  readonly serviceLog: ServiceLog
  /** Undefined in the foreground. */
  readonly logFile: LogFile | undefined
  /** The resources to release when the service ends. */
  readonly stack: CleanupStack
  readonly notifier: Notifier
  /** The service's place among the hosts of its fleet. */
  readonly membership: FleetMembership
  readonly origin: Origin
}
