import type { Config } from '../config/load.ts'
import type { Contender } from '../lease/lease-store.ts'
import { RedisLink } from '../redis/link.ts'
import type { RedisTarget } from '../redis/target.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Fleet } from './fleet.ts'
import { RedisFleet } from './redis-fleet.ts'

/** Opens a service's fleet over a connection of its own, so that its requests never delay a renewal of the lease. */
export function openFleet(
  target: RedisTarget,
  service: string,
  { host, instance }: Contender,
  { fleet }: Config,
  log: Logger,
): Fleet {
  const link = new RedisLink(target, `helloserver:${service}:fleet`)
  return new RedisFleet(link, { service, host, instance, ...fleet, log })
}
