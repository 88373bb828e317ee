import { setTimeout as delay } from 'node:timers/promises'
import type { RedisServer } from '../../helpers/redis/server.ts'
import { waitFor } from '../../helpers/wait-for.ts'
import type { Contender } from '../contender/contender.ts'
import type { Fault } from '../fault.ts'
import type { Fleet } from '../fleet.ts'
import type { SentinelStage } from '../stages/sentinels.ts'

async function killMaster({ fleet, group }: SentinelStage): Promise<void> {
  await fleet.holder()
  const master = await group.master()
  await master.kill()
  await group.promoted(master)
  await delay(fleet.ttlMs)
}

/** A replica that no longer hears from its master: it comes with a password where none is wanted. */
async function part(master: RedisServer, replica: RedisServer): Promise<void> {
  await replica.command('CONFIG', 'SET', 'masterauth', 'unwanted')
  await master.command('CLIENT', 'KILL', 'TYPE', 'replica')
  await waitFor('a replica without its master', async () => {
    return (await replica.info('master_link_status')) === 'down'
  })
}

/**
 * The replica knows that the lease is free, and does not learn who takes it. Then it becomes the master, and somebody
 * who wants the lease asks it.
 */
async function unreplicatedGrant({ fleet, group }: SentinelStage): Promise<void> {
  const holder = await fleet.holder()
  const [next, other] = fleet.standbys(holder)
  const master = await group.master()
  const replica = group.servers.find((one) => one !== master)
  if (next === undefined || other === undefined || replica === undefined) {
    throw new Error('Too few take part')
  }
  await Promise.all([next.pause(), other.pause()])
  await holder.release()
  await waitFor('a replica that knows of the release', async () => {
    const [sent, received] = await Promise.all([
      master.info('master_repl_offset'),
      replica.info('master_repl_offset'),
    ])
    return sent !== undefined && sent === received
  })
  await part(master, replica)
  next.resume()
  await fleet.holder(holder)
  await master.kill()
  other.resume()
  holder.acquire()
  await group.promoted(master)
  // Time enough for whoever is mistaken about it.
  await delay(1.5 * fleet.ttlMs)
  await fleet.holder()
}

/** Passes the lease on until the contender beside this server has it. */
async function putBeside(fleet: Fleet, { address }: RedisServer): Promise<Contender> {
  for (;;) {
    const holder = await fleet.holder()
    if (holder.host?.address === address.host) return holder
    await holder.release()
    await fleet.holder(holder)
    holder.acquire()
  }
}

async function isolate({ fleet, group }: SentinelStage): Promise<void> {
  const master = await group.master()
  const holder = await putBeside(fleet, master)
  fleet.strike()
  holder.host?.cut('both')
  await group.promoted(master)
  await fleet.holder(holder)
  await delay(fleet.between(0, fleet.ttlMs / 2))
  holder.host?.mend()
  await fleet.standsDown(holder)
}

/** Packets of the holder's host get through in one direction only; the master is on another host. */
const cutOff = (what: 'outgoing' | 'incoming') => async (stage: SentinelStage) => {
  const { fleet, group } = stage
  const master = await group.master()
  const replica = group.servers.find((one) => one !== master)
  const holder = await putBeside(fleet, replica ?? master)
  fleet.strike()
  holder.host?.cut(what)
  await fleet.standsDown(holder)
  await fleet.holder(holder)
  holder.host?.mend()
}

/** What happens to a master, and to who has the lease by it. */
export const failover: readonly Fault<SentinelStage>[] = [
  { name: 'master killed', weight: 1, holder: 'stays', spoils: true, run: killMaster },
  {
    name: 'grant never replicated',
    weight: 1,
    holder: 'either',
    spoils: true,
    run: unreplicatedGrant,
  },
]

/** The host's replica and its Sentinel are cut off, too: what the others hold them for can take minutes to settle. */
const cut = { weight: 1, holder: 'changes', spoils: true } as const

/** What happens to a host and the network. */
export const partitions: readonly Fault<SentinelStage>[] = [
  { name: 'host cannot send', ...cut, run: cutOff('outgoing') },
  { name: 'host cannot receive', ...cut, run: cutOff('incoming') },
  {
    name: 'holder isolated with the master',
    weight: 1,
    holder: 'changes',
    spoils: true,
    run: isolate,
  },
]
