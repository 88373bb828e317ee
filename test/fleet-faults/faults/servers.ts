import { setTimeout as delay } from 'node:timers/promises'
import type { Fault } from '../fault.ts'
import type { SingleStage } from '../stages/single.ts'

/** Goes on until the holder has renewed the lease several times. */
async function renewals({ fleet }: SingleStage): Promise<void> {
  await delay(fleet.ttlMs)
}

const restarted = (isEmpty: boolean) => async (stage: SingleStage) => {
  await stage.fleet.holder()
  await stage.redis.restart(isEmpty)
  await renewals(stage)
}

const clock = (offsetS: number) => async (stage: SingleStage) => {
  await stage.fleet.holder()
  stage.redis.setClock(offsetS)
  await renewals(stage)
  stage.redis.setClock(0)
  await renewals(stage)
}

async function flush(stage: SingleStage): Promise<void> {
  await stage.fleet.holder()
  await stage.redis.command('SCRIPT', 'FLUSH')
  await renewals(stage)
}

/** Nobody may serve then. */
async function down({ fleet, redis }: SingleStage): Promise<void> {
  const holder = await fleet.holder()
  fleet.strike()
  await redis.kill()
  await fleet.standsDown(holder)
  await delay(fleet.ttlMs)
  if (fleet.claim() !== undefined) throw new Error('Somebody serves without any Redis')
  await redis.start()
  await fleet.holder()
}

/** All that the contenders have asked meanwhile is answered in the end. */
async function pause({ fleet, redis }: SingleStage): Promise<void> {
  const holder = await fleet.holder()
  await redis.pause()
  await fleet.standsDown(holder)
  await delay(fleet.between(0, fleet.ttlMs))
  redis.resume()
  await fleet.holder()
}

async function pauseShortly(stage: SingleStage): Promise<void> {
  await stage.fleet.holder()
  await stage.redis.pause()
  await delay(stage.fleet.between(0, stage.fleet.ttlMs / 4))
  stage.redis.resume()
  await renewals(stage)
}

/** What happens to Redis itself. */
export const servers: readonly Fault<SingleStage>[] = [
  { name: 'Redis restarted empty', weight: 2, holder: 'stays', run: restarted(true) },
  { name: 'Redis restarted with its data', weight: 2, holder: 'stays', run: restarted(false) },
  { name: 'clock +60 s', weight: 1, holder: 'stays', run: clock(60) },
  { name: 'clock -1 h', weight: 1, holder: 'stays', run: clock(-3600) },
  { name: 'scripts flushed', weight: 1, holder: 'stays', run: flush },
  { name: 'Redis down', weight: 1, holder: 'either', run: down },
  { name: 'Redis paused', weight: 1, holder: 'either', run: pause },
  { name: 'Redis paused shortly', weight: 1, holder: 'stays', run: pauseShortly },
]
