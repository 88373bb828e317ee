import { parseRedisUrl, type RedisTarget } from '../redis/redis-target.ts'
import { type Environment, variables } from './environment.ts'

/**
 * The Redis that the hosts share; undefined for a service on one host. It is kept apart from the configuration,
 * which workers receive and whose values are shown, since it may contain a password.
 *
 * @throws HelloserverError `BAD_CONFIG`
 */
export function redisTarget(environment: Environment): RedisTarget | undefined {
  const url = environment[variables.redisUrl]
  return url === undefined ? undefined : parseRedisUrl(url, variables.redisUrl)
}
