import type { Environment } from '../config/environment.ts'
import { type Config, loadConfig } from '../config/load.ts'
import { type RestartOnly, restartOnly, restartOnlyChange } from '../config/restart-only.ts'
import type { Service } from './service.ts'

/**
 * Why an upgrade cannot do what a restart would do; null when it can, or when it fails for a reason that would fail a
 * start as well.
 */
export function restartObstacle(service: Service, environment: Environment): string | null {
  if (service.ending.isUnderWay) return 'the service is on its way to its end'
  if (service.mode === 'foreground') return 'a service in the foreground cannot be upgraded'
  const { name } = service.files
  let config: Config
  let wanted: RestartOnly
  try {
    config = loadConfig(name, environment)
    wanted = restartOnly(name, environment, config)
  } catch {
    // The successor finds the same error, and reports it.
    return null
  }
  const change = restartOnlyChange(service.restartOnly, wanted)
  return change ?? service.connections.listeners.conflictWith(config.listen) ?? null
}
