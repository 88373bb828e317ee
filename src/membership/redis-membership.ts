import type { Config } from '../config/load.ts'
import { SharedFleet } from '../fleet/shared-fleet.ts'
import type { OpenLease } from '../lease/lease.ts'
import type { Contender } from '../lease/lease-store.ts'
import { LocalLease } from '../lease/local-lease.ts'
import { SharedLease } from '../lease/shared-lease.ts'
import { RedisLink } from '../redis/link.ts'
import { probeRedis } from '../redis/probe.ts'
import { RedisFleetStore } from '../redis/redis-fleet-store.ts'
import { RedisLeaseStore } from '../redis/redis-lease-store.ts'
import type { RedisTarget } from '../redis/redis-target.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { FleetMembership } from './membership.ts'

/**
 * Makes this host a member of the fleet that shares a Redis, and a contender for the lease unless `lease.mode` is
 * "off".
 *
 * @throws HelloserverError `BAD_CONFIG` for a Redis that can never work
 */
export async function joinByRedis(
  target: RedisTarget,
  service: string,
  contender: Contender,
  config: Config,
  log: Logger,
): Promise<FleetMembership> {
  const { host, instance } = contender
  const isContended = config.lease.mode !== 'off'
  const openLease = isContended
    ? await leaseIn(target, service, contender, config, log)
    : localLease
  // Over a connection of its own, so that its requests never delay a renewal of the lease.
  const fleetLink = new RedisLink(target, `helloserver:${service}:fleet`)
  const fleetStore = new RedisFleetStore(fleetLink, service)
  const fleet = new SharedFleet(fleetStore, { host, instance, ...config.fleet, log })
  return { instance, isContended, openLease, fleet }
}

const localLease: OpenLease = (listener) => new LocalLease(listener)

async function leaseIn(
  target: RedisTarget,
  service: string,
  contender: Contender,
  { lease }: Config,
  log: Logger,
): Promise<OpenLease> {
  const { ttlMs, replicas } = lease
  const mode = lease.mode === 'slots' ? 'slots' : 'exclusive'
  const slots = mode === 'slots' ? lease.slots : 1
  const link = new RedisLink(target, `helloserver:${service}`, replicas)
  try {
    await probeRedis(link, log)
  } catch (error) {
    link.close()
    throw error
  }
  const store = new RedisLeaseStore(link, contender, { service, slots, ttlMs })
  const options = { host: contender.host, mode, ttlMs, log } as const
  return (listener) => new SharedLease(store, options, listener)
}
