import { waitFor } from '../../helpers/wait-for.ts'
import type { Event } from '../event.ts'
import type { World } from '../world.ts'

/** Few enough that each worker has served them within a second. */
const afterConnections = 20

/** Has every worker replaced, one after the other, because of what it has served. */
async function recycle(world: World): Promise<void> {
  const { pm2 } = world
  world.configure({ recycle: { afterConnections } })
  try {
    const { generation } = await world.status()
    // pm2 says of a reload that has failed that it was done, too.
    await waitFor('workers that are recycled', async () => {
      await pm2.do('reload', 'helloserver')
      return (await world.status()).generation > generation
    })
    const first = await workerPids(world)
    await waitFor('others in place of all workers', async () => {
      const pids = await workerPids(world)
      return pids.every((pid) => !first.includes(pid))
    })
  } finally {
    world.configure()
  }
  await pm2.do('reload', 'helloserver')
}

async function workerPids(world: World): Promise<number[]> {
  const { workers } = await world.status()
  return workers.flatMap(({ pid }) => (pid === null ? [] : [pid]))
}

export const recycling: readonly Event[] = [
  { name: 'recycle', weight: 1, tolerance: {}, run: recycle },
]
