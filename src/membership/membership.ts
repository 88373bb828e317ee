import type { Environment } from '../config/environment.ts'
import type { Config } from '../config/load.ts'
import { redisTarget } from '../config/redis.ts'
import type { RunFiles } from '../config/run-dir.ts'
import type { Fleet } from '../fleet/fleet.ts'
import { LocalFleet } from '../fleet/local-fleet.ts'
import type { OpenLease } from '../lease/lease.ts'
import { LocalLease } from '../lease/local-lease.ts'
import type { Logger } from '../telemetry/logger.ts'
import { contenderOf } from './contender.ts'

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
 * Makes this host a member of its fleet, if there is one.
 *
 * A Redis that cannot be reached does not prevent the start: this host stands by until it can be.
 *
 * @param instance - inherited from the process that this one succeeds
 * @throws HelloserverError `BAD_CONFIG` for a Redis that can never work: a wrong password, a read-only replica, a
 *   version that is too old, …
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
  const { joinByRedis } = await import('./redis-membership.ts')
  return joinByRedis(
    target,
    files.name,
    contenderOf(files, environment, config, instance),
    config,
    log,
  )
}
