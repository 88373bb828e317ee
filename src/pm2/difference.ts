import { buildId } from '../build-id.ts'
import type { Environment } from '../config/environment.ts'
import type { Results } from '../control/protocol.ts'
import { messageOf } from '../errors.ts'
import type { Logger } from '../telemetry/logger.ts'

/** What the disk has that the running service has not; undefined when that is nothing, or nothing that could run. */
export async function differenceOf(
  { status, configDigest: running }: Results['attach'],
  environment: Environment,
  log: Logger,
): Promise<string | undefined> {
  try {
    // Loaded only now, since it is only a bridge without a predecessor that asks.
    const { configDigest, loadConfig } = await import('../config/load.ts')
    const config = loadConfig(status.name, environment)
    if (configDigest(config) !== running) return 'another configuration'
    return buildId(config.appModule) === status.build ? undefined : 'another build'
  } catch (error) {
    log.error({ reason: messageOf(error) }, 'Not reloading: the configuration on disk is bad')
    return undefined
  }
}
