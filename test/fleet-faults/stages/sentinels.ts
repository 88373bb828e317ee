import type { Cleanup } from '../../helpers/cleanup.ts'
import { Network, noNetworks } from '../../helpers/network.ts'
import { masterName, SentinelGroup } from '../../helpers/redis/sentinel.ts'
import type { Setting, Stage } from '../fault.ts'
import { Fleet, type FleetOptions, type Place } from '../fleet.ts'

/** A Redis master and replicas that Sentinels watch over. */
export interface SentinelStage extends Stage {
  readonly group: SentinelGroup
}

/** All on one host. */
export const sentinels: Setting<SentinelStage> = {
  name: 'Sentinels',
  async open(t, options) {
    const group = await SentinelGroup.start(t)
    const url = urlOf(group)
    return { group, fleet: await Fleet.open(t, options, [{ url }, { url }, { url }]) }
  },
}

/**
 * Three hosts with a Sentinel and a contender on each, the master on the first and replicas on the others. What a
 * contender wrote counts only when a replica has it.
 */
export const hosts: Setting<SentinelStage> = {
  name: 'Sentinels on three hosts, with WAIT',
  missing: noNetworks,
  open: (t, options) => openHosts(t, options, 1),
}

/** The same without WAIT: a holder that is isolated with the master goes on, which the suite must find. */
export const hostsWithoutWait: Setting<SentinelStage> = {
  name: 'Sentinels on three hosts, without WAIT',
  missing: noNetworks,
  open: (t, options) => openHosts(t, options, 0),
}

async function openHosts(
  t: Cleanup,
  options: FleetOptions,
  replicas: number,
): Promise<SentinelStage> {
  const network = new Network(t)
  const all = [network.host(), network.host(), network.host()]
  const group = await SentinelGroup.start(t, { hosts: all, replicas: 2 })
  const places = all.map((host): Place => ({ url: urlOf(group), host }))
  return { group, fleet: await Fleet.open(t, options, places, replicas) }
}

function urlOf({ addresses }: SentinelGroup): string {
  const list = addresses.map(({ host, port }) => `${host}:${port}`).join(',')
  return `redis+sentinel://${list}/${masterName}`
}
