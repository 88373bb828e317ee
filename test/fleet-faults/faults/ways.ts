import { setTimeout as delay } from 'node:timers/promises'
import type { Flows } from '../../helpers/proxy.ts'
import type { Fault } from '../fault.ts'
import type { SingleStage } from '../stages/single.ts'

/** Something becomes of what the holder and Redis say to each other, until another one has the lease. */
const disturbed = (flows: Partial<Flows>) => async (stage: SingleStage) => {
  const { fleet } = stage
  const holder = await fleet.holder()
  const way = stage.wayOf(holder)
  fleet.strike()
  way.set(flows)
  await fleet.standsDown(holder)
  await fleet.holder(holder)
  await delay(fleet.between(0, fleet.ttlMs / 2))
  way.set({})
}

async function disturbedShortly(stage: SingleStage): Promise<void> {
  const { fleet } = stage
  const way = stage.wayOf(await fleet.holder())
  way.set({ replies: 'hold' })
  await delay(fleet.between(0, fleet.ttlMs / 4))
  way.set({})
}

/** It gives the lease up, and Redis hears of it when another one has it. */
async function lateRelease(stage: SingleStage): Promise<void> {
  const { fleet } = stage
  const holder = await fleet.holder()
  const way = stage.wayOf(holder)
  fleet.strike()
  way.set({ requests: 'hold' })
  const isReleased = holder.release()
  await fleet.holder(holder)
  way.set({})
  await isReleased
  holder.acquire()
}

/** Redis hears of it, but the holder does not know. */
async function unansweredRelease(stage: SingleStage): Promise<void> {
  const { fleet } = stage
  const holder = await fleet.holder()
  const way = stage.wayOf(holder)
  fleet.strike()
  way.set({ replies: 'drop' })
  const isReleased = holder.release()
  await fleet.holder(holder)
  way.set({})
  await isReleased
  holder.acquire()
}

const unanswered = { holder: 'changes', takeOver: 'unanswered' } as const
const passes = { holder: 'changes', takeOver: 'by patience' } as const

/** What happens between the contenders and Redis. */
export const ways: readonly Fault<SingleStage>[] = [
  {
    name: 'holder cut off',
    weight: 2,
    ...passes,
    run: disturbed({ requests: 'hold', replies: 'hold' }),
  },
  { name: 'requests held back', weight: 2, ...passes, run: disturbed({ requests: 'hold' }) },
  { name: 'replies held back', weight: 2, ...unanswered, run: disturbed({ replies: 'hold' }) },
  { name: 'requests dropped', weight: 1, ...passes, run: disturbed({ requests: 'drop' }) },
  { name: 'replies dropped', weight: 1, ...unanswered, run: disturbed({ replies: 'drop' }) },
  { name: 'replies late', weight: 1, holder: 'stays', run: disturbedShortly },
  { name: 'release late', weight: 1, ...passes, run: lateRelease },
  {
    name: 'release unanswered',
    weight: 1,
    // Where Redis does not know the script yet, it is sent only when Redis has said so.
    ...passes,
    run: unansweredRelease,
  },
]
