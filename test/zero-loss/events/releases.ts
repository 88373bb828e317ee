import assert from 'node:assert/strict'
import { brokenSources } from '../app-source.ts'
import type { Event } from '../event.ts'
import type { World } from '../world.ts'

/** A worker that hangs is to be found out before the run gets long. */
const reload = { readyTimeoutMs: 1_000 }

/** Reloads what must not serve, sees that it does not, and puts right what is on disk. */
async function failToReload(world: World, spoil: () => void): Promise<void> {
  const { generation } = await world.status()
  spoil()
  try {
    await world.pm2.do('reload', 'helloserver')
  } finally {
    world.configure()
    world.release()
  }
  const after = await world.status()
  assert.equal(after.lastReload?.outcome, 'failed')
  assert.equal(after.generation, generation)
}

const brokenCode = Object.entries(brokenSources).map(
  ([what, source]): Event => ({
    name: `code: ${what}`,
    weight: 1,
    tolerance: {},
    run: (world) =>
      failToReload(world, () => {
        world.configure({ reload })
        world.release(source)
      }),
  }),
)

export const releases: readonly Event[] = [
  ...brokenCode,
  {
    name: 'bad configuration',
    weight: 1,
    tolerance: {},
    run: (world) => failToReload(world, () => world.configure({ workers: 0 })),
  },
]
