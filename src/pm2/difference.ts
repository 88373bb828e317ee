import { buildId } from '../build-id.ts'
import { environmentDigest } from '../config/change-of-environment.ts'
import type { Environment } from '../config/environment.ts'
import type { Results } from '../control/protocol.ts'
import { messageOf } from '../errors.ts'
import { realPath } from '../files/real-path.ts'
import { namedPrimary } from '../launch/launch.ts'
import type { Logger } from '../telemetry/logger.ts'
import { programToRun } from './update.ts'

/** How the disk differs from the running service; undefined when it does not, or when its configuration is bad. */
export async function differenceOf(
  { status, configDigest: running, program: started }: Results['attach'],
  environment: Environment,
  log: Logger,
): Promise<string | undefined> {
  const program = programToRun(started)
  if (started !== undefined) {
    if (realPath(program) !== started.file) return 'another release'
    if (environmentDigest(environment) !== started.environmentDigest) return 'another environment'
  }
  // Beside a program of another folder, this bridge would read the wrong configuration.
  if (program !== namedPrimary()) return undefined
  try {
    // Loaded only now: only a bridge without a predecessor needs it.
    const { configDigest, loadConfig } = await import('../config/load.ts')
    const config = loadConfig(status.name, environment)
    if (configDigest(config) !== running) return 'another configuration'
    return buildId(config.appModule) === status.build ? undefined : 'another build'
  } catch (error) {
    log.error({ reason: messageOf(error) }, 'Not reloading: the configuration on disk is bad')
    return undefined
  }
}
