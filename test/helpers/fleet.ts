import type { TestContext } from 'node:test'
import type { FleetView } from '../../src/fleet/fleet.ts'
import { asked, type Place } from './commands.ts'
import type { RedisServer } from './redis/server.ts'
import type { SandboxOptions, Settings } from './sandbox.ts'
import { type Service, startService } from './service.ts'
import { waitFor } from './wait-for.ts'

export interface FleetMemberOptions extends Omit<SandboxOptions, 'environment'> {
  readonly fleet?: Settings
}

/** The configuration of a host that always serves. */
export function memberConfig(name: string, { config = {}, fleet = {} }: FleetMemberOptions = {}) {
  return { workers: 2, lease: { mode: 'off', host: name }, fleet, ...config }
}

/** The options with which a host of a fleet is started. */
export function memberOptions(
  redis: RedisServer,
  name: string,
  options: FleetMemberOptions = {},
): SandboxOptions {
  return {
    ...options,
    config: memberConfig(name, options),
    environment: { HELLOSERVER_REDIS_URL: redis.url },
  }
}

/** Starts several services, as if on several hosts, that share a Redis and all serve. */
export async function startFleet(
  t: TestContext,
  redis: RedisServer,
  names: readonly string[],
  options: FleetMemberOptions = {},
): Promise<Service[]> {
  const services = await Promise.all(
    names.map((name) => startService(t, memberOptions(redis, name, options))),
  )
  await waitFor('hosts that know each other', async () => {
    const { hosts } = await fleetOf(services[0] as Service)
    return hosts.filter(({ state }) => state === 'serving').length === names.length
  })
  return services
}

/** The fleet as a service sees it. */
export function fleetOf(service: Place): Promise<FleetView> {
  return asked(service, (client) => client.request('fleet', {}))
}
