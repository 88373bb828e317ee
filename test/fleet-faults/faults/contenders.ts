import { setTimeout as delay } from 'node:timers/promises'
import type { Fault, Stage } from '../fault.ts'

/** The holder gives the lease up. */
async function release({ fleet }: Stage): Promise<void> {
  const holder = await fleet.holder()
  fleet.strike()
  await holder.release()
  await fleet.holder(holder)
  holder.acquire()
}

async function kill({ fleet }: Stage): Promise<void> {
  const holder = await fleet.holder()
  fleet.strike()
  await holder.kill()
  await fleet.holder(holder)
  await holder.start()
}

/** It comes back to the place where it was killed. */
async function killAndRestart({ fleet }: Stage): Promise<void> {
  const holder = await fleet.holder()
  await holder.kill()
  await holder.start()
  await fleet.holder()
}

async function killStandby({ fleet }: Stage): Promise<void> {
  const [standby] = fleet.standbys(await fleet.holder())
  await standby?.kill()
  await standby?.start()
}

async function pause({ fleet }: Stage): Promise<void> {
  const holder = await fleet.holder()
  fleet.strike()
  await holder.pause()
  await fleet.holder(holder)
  await delay(fleet.between(0, fleet.ttlMs / 2))
  holder.resume()
  await fleet.standsDown(holder)
}

async function pauseShortly({ fleet }: Stage): Promise<void> {
  const holder = await fleet.holder()
  await holder.pause()
  await delay(fleet.between(0, fleet.ttlMs / 3))
  holder.resume()
}

async function block({ fleet }: Stage): Promise<void> {
  const holder = await fleet.holder()
  fleet.strike()
  holder.block(2 * fleet.ttlMs)
  await fleet.holder(holder)
  await fleet.standsDown(holder)
}

/** What happens to the contenders themselves, whatever Redis they use. */
export const contenders: readonly Fault[] = [
  { name: 'release', weight: 4, holder: 'changes', takeOver: 'at once', run: release },
  { name: 'holder killed', weight: 2, holder: 'changes', takeOver: 'by patience', run: kill },
  { name: 'holder killed, back at once', weight: 1, holder: 'either', run: killAndRestart },
  { name: 'standby killed', weight: 1, holder: 'stays', run: killStandby },
  {
    name: 'holder paused',
    weight: 2,
    holder: 'changes',
    takeOver: 'by patience',
    isStunned: true,
    run: pause,
  },
  { name: 'holder paused shortly', weight: 1, holder: 'stays', run: pauseShortly },
  {
    name: 'holder blocked',
    weight: 2,
    holder: 'changes',
    takeOver: 'by patience',
    isStunned: true,
    run: block,
  },
]
