import { existsSync } from 'node:fs'
import { environmentDigest } from '../config/change-of-environment.ts'
import type { Environment } from '../config/environment.ts'
import { HelloserverError } from '../errors.ts'
import { namedPrimary, primaryModule } from '../launch/launch.ts'
import { realPath } from '../real-path.ts'

/** What a process was started from, and cannot change in itself: its program and its environment. */
export class Release {
  /** The path that names the program: through a link, if a deploy switches one. */
  readonly program = namedPrimary()
  /** The file that this path led to when the process was started. */
  readonly file = primaryModule
  readonly environmentDigest: string

  constructor(environment: Environment) {
    this.environmentDigest = environmentDigest(environment)
  }

  /**
   * The program that has to take over so that a reload applies what is wanted; undefined when new workers suffice.
   *
   * @throws HelloserverError `RELOAD_FAILED` when the program is gone
   */
  successorFor(environment: Environment): string | undefined {
    const { program, file } = this
    if (!existsSync(program)) {
      throw new HelloserverError(
        'RELOAD_FAILED',
        `${program}, which this service was started from, does not exist any more; run "helloserver upgrade" of the new installation`,
      )
    }
    const isElsewhere = realPath(program) !== file
    return isElsewhere || environmentDigest(environment) !== this.environmentDigest
      ? program
      : undefined
  }
}
