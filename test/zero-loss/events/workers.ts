import { setTimeout as delay } from 'node:timers/promises'
import { isAlive, isStopped, signalTo } from '../../helpers/processes.ts'
import { waitFor } from '../../helpers/wait-for.ts'
import type { Event } from '../event.ts'
import { type World, workerCount } from '../world.ts'

/** How long a worker is paused: less than a long connection has left to its deadline. Milliseconds. */
const pauseMs = [200, 700] as const

/** Kills a worker; resolves when the primary knows, so that what it costs is this event's. */
async function kill(world: World, pid: number): Promise<void> {
  signalTo(pid, 'SIGKILL')
  await waitFor(`the end of worker ${pid}`, async () => {
    const { workers } = await world.status()
    return !isAlive(pid) && workers.every((one) => one.pid !== pid)
  })
}

/** It may be offered a connection between the look at it and its death, and claim it. */
async function killIdle(world: World): Promise<void> {
  await kill(world, await world.worker('an idle worker', ({ state }) => state === 'idle'))
}

/** A worker that was paused while it was idle can claim nothing of what it is offered. */
async function killOffered(world: World): Promise<void> {
  const pid = await waitFor('a worker that is paused while it is idle', async () => {
    const candidate = await world.worker('an idle worker', ({ state }) => state === 'idle')
    signalTo(candidate, 'SIGSTOP')
    await waitFor('the pause', () => isStopped(candidate))
    const { workers } = await world.status()
    if (workers.some(({ pid: one, state }) => one === candidate && state === 'idle'))
      return candidate
    signalTo(candidate, 'SIGCONT')
    return undefined
  })
  const { handOff } = await world.status()
  // In the native way nothing is offered, but a wake-up may die with it.
  if (handOff === 'portable')
    await world.worker('an offer to it', (one) => one.pid === pid && one.state === 'busy')
  await kill(world, pid)
}

/** The worker that has the connection of the client at `address`. */
function workerOf(world: World, address: string): Promise<number> {
  return world.worker(`the worker of ${address}`, ({ remote }) => remote === address)
}

async function killInHandler(world: World): Promise<void> {
  const { address } = await world.load.open({ pace: 'silent', delayMs: 1_000, holdOpenMs: 0 })
  await kill(world, await workerOf(world, address))
}

async function killAnswering(world: World): Promise<void> {
  const { address } = await world.load.open({ pace: 'trickling', delayMs: 1_000, holdOpenMs: 0 })
  const pid = await workerOf(world, address)
  await delay(world.between(0, 500))
  await kill(world, pid)
}

/** The client has its whole answer, and has not ended its side yet. */
async function killLingering(world: World): Promise<void> {
  const special = { pace: 'silent', delayMs: 1_000, holdOpenMs: 1_000 } as const
  const { address, answered } = await world.load.open(special)
  const pid = await workerOf(world, address)
  await answered
  await kill(world, pid)
}

async function pause(world: World): Promise<void> {
  const pid = await world.worker('a worker', () => true)
  signalTo(pid, 'SIGSTOP')
  await delay(world.between(...pauseMs))
  signalTo(pid, 'SIGCONT')
}

async function scale(world: World): Promise<void> {
  const other = world.pick([2, 3, 5, 6]) ?? 2
  for (const count of [other, workerCount]) {
    const { status, stderr } = await world.pm2.sandbox.cli('scale', String(count))
    if (status !== 0) throw new Error(`Cannot scale to ${count}: ${stderr}`)
  }
}

const one = { claimed: 1 }

export const workers: readonly Event[] = [
  { name: 'kill: idle worker', weight: 1, tolerance: one, run: killIdle },
  { name: 'kill: offered, unclaimed', weight: 1, tolerance: {}, needsIdle: true, run: killOffered },
  { name: 'kill: in the handler', weight: 1, tolerance: one, run: killInHandler },
  { name: 'kill: answering', weight: 1, tolerance: one, run: killAnswering },
  // Its client has all; the worker may have claimed another connection by then.
  { name: 'kill: lingering', weight: 1, tolerance: one, run: killLingering },
  { name: 'worker paused', weight: 2, tolerance: {}, run: pause },
  { name: 'scale', weight: 2, tolerance: {}, run: scale },
]
