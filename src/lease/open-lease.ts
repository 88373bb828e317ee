import type { Environment } from '../config/environment.ts'
import type { Config } from '../config/load.ts'
import { redisTarget } from '../config/redis.ts'
import type { RunFiles } from '../config/run-dir.ts'
import type { Fleet } from '../fleet/fleet.ts'
import { LocalFleet } from '../fleet/local-fleet.ts'
import type { Logger } from '../telemetry/logger.ts'
import { contenderOf } from './identity.ts'
import type { OpenLease } from './lease.ts'
import { LocalLease } from './local-lease.ts'

/** The service's identity in the fleet, and the way in which it gets permission to serve. */
export interface FleetMembership {
  /** Unique for each start of the service; undefined for a service without a fleet. */
  readonly instance: string | undefined
  /** Whether other hosts can keep this one from serving. */
  readonly isContended: boolean
  readonly openLease: OpenLease
  readonly fleet: Fleet
}

/**
 * Checks whether Redis can be used, where one is configured.
 *
 * A Redis that cannot be reached does not prevent the start: this host stands by until it can be. A Redis that can
 * never work does.
 *
 * @param instance - inherited from the process that this one succeeds
 * @throws HelloserverError `BAD_CONFIG` for a wrong password, a read-only replica, a version that is too old, …
 */
export async function joinFleet(
  files: RunFiles,
  environment: Environment,
  config: Config,
  log: Logger,
  instance?: string,
): Promise<FleetMembership> {
  const target = redisTarget(environment)
  if (target === undefined) {
    return {
      instance: undefined,
      isContended: false,
      openLease: (listener) => new LocalLease(listener),
      fleet: new LocalFleet(),
    }
  }
  // Loaded only where it is needed: the Redis client is a fifth of the cost of a start.
  const { shareRedis } = await import('./shared-membership.ts')
  return shareRedis(
    target,
    files.name,
    contenderOf(files, environment, config, instance),
    config,
    log,
  )
}
