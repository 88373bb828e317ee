import { existsSync } from 'node:fs'
import { environmentDigest } from '../config/change-of-environment.ts'
import type { Environment } from '../config/environment.ts'
import type { ProgramIdentity } from '../control/protocol.ts'
import { HelloserverError } from '../errors.ts'
import { realPath } from '../files/real-path.ts'
import { namedPrimary, primaryModule } from '../launch/launch.ts'

/** The program and the environment that this process was started with; only another process can have others. */
export class RunningProgram implements ProgramIdentity {
  /** The path that names the program: through a link, if a deploy switches one. */
  readonly path = namedPrimary()
  /** The file that this path led to when the process was started. */
  readonly file = primaryModule
  readonly environmentDigest: string

  constructor(environment: Environment) {
    this.environmentDigest = environmentDigest(environment)
  }

  /** @throws HelloserverError `RELOAD_FAILED` when the program is gone */
  mustExist(): void {
    if (existsSync(this.path)) return
    throw new HelloserverError(
      'RELOAD_FAILED',
      `The program of this service, ${this.path}, does not exist any more; run "helloserver upgrade" from the new installation`,
    )
  }

  /** The program that has to take over in a reload with this environment; undefined when new workers suffice. */
  successorFor(environment: Environment): string | undefined {
    const { path, file } = this
    const isElsewhere = existsSync(path) && realPath(path) !== file
    return isElsewhere || environmentDigest(environment) !== this.environmentDigest
      ? path
      : undefined
  }
}
