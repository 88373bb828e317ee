import { buildId } from '../build-id.ts'
import type { Environment } from '../config/environment.ts'
import type { Results } from '../control/protocol.ts'
import { messageOf } from '../errors.ts'
import type { Logger } from '../telemetry/logger.ts'

/** How the disk differs from the running service; undefined when it does not, or when its configuration is bad. */
export async function differenceOf(
  { status, configDigest: running }: Results['attach'],
  environment: Environment,
  log: Logger,
): Promise<string | undefined> {
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
