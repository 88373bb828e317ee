import type { Config } from '../config/load.ts'
import { openFleet } from '../fleet/open-fleet.ts'
import { RedisLink } from '../redis/link.ts'
import { probeRedis } from '../redis/probe.ts'
import type { RedisTarget } from '../redis/target.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { FleetMembership } from './open-lease.ts'
import type { Contender } from './lease-store.ts'
import { LocalLease } from './local-lease.ts'
import { RedisLease } from './redis-lease.ts'

/**
 * Makes this host a member of the fleet that shares a Redis, and a contender for the lease unless `lease.mode` is
 * "off".
 *
 * @throws HelloserverError `BAD_CONFIG` for a Redis that can never work
 */
export async function shareRedis(
  target: RedisTarget,
  service: string,
  contender: Contender,
  config: Config,
  log: Logger,
): Promise<FleetMembership> {
  const { instance } = contender
  const { mode = 'exclusive', slots, ttlMs, replicas } = config.lease
  if (mode === 'off') {
    const fleet = openFleet(target, service, contender, config, log)
    return {
      instance,
      isContended: false,
      openLease: (listener) => new LocalLease(listener),
      fleet,
    }
  }
  const link = new RedisLink(target, `helloserver:${service}`, replicas)
  try {
    await probeRedis(link, log)
  } catch (error) {
    link.close()
    throw error
  }
  const options = { ...contender, service, mode, slots: mode === 'slots' ? slots : 1, ttlMs, log }
  return {
    instance,
    isContended: true,
    openLease: (listener) => new RedisLease(link, options, listener),
    fleet: openFleet(target, service, contender, config, log),
  }
}
