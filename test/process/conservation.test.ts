import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Status } from '../../src/status.ts'
import { Load } from '../helpers/load.ts'
import { signalTo } from '../helpers/processes.ts'
import { chooseSeed, randomFrom } from '../helpers/random.ts'
import { counted, type Service, startService, workerPids } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

const kills = 12

test('no connection is lost track of while workers are killed', async (t) => {
  const seed = chooseSeed()
  t.diagnostic(`HELLOSERVER_TEST_SEED=${seed}`)
  const random = randomFrom(seed)
  const service = await startService(t, { config: { workers: 3 } })
  const load = new Load(service.port, 24)
  const sampler = new Sampler(service)
  for (let kill = 0; kill < kills; kill += 1) {
    await delay(20 + random() * 150)
    const pids = await waitFor('a worker to kill', async () => {
      const running = await workerPids(service)
      return running.length > 0 ? running : undefined
    })
    signalTo(pids[Math.floor(random() * pids.length)] ?? 0, 'SIGKILL')
  }
  const askedByThen = load.asked
  await waitFor('the load after the last kill', () => load.asked > askedByThen + 100)
  const { asked, failures } = await load.stop()
  const samples = await sampler.stop()

  const { connections } = await counted(service, { queued: 0, active: 0 })
  assert.equal(sum(connections), connections.accepted)
  assert.equal(connections.accepted, asked)
  assert.equal(connections.served + connections.failed, asked)
  assert.ok(failures.length <= kills, `${failures.length} clients failed by ${kills} kills`)
  assert.ok(connections.failed <= kills, `${connections.failed} counted failed by ${kills} kills`)
  assert.ok(samples > kills, 'the sum was hardly looked at')
})

/** Looks at the sum as often as it can. */
class Sampler {
  readonly #samples: Promise<number>
  #isStopping = false

  constructor(service: Service) {
    this.#samples = this.#run(service)
    // Its failure is the test's when `stop` is awaited.
    this.#samples.catch(() => {})
  }

  stop(): Promise<number> {
    this.#isStopping = true
    return this.#samples
  }

  async #run(service: Service): Promise<number> {
    let samples = 0
    for (; !this.#isStopping; samples += 1) {
      const { connections } = await service.status()
      assert.equal(sum(connections), connections.accepted, JSON.stringify(connections))
    }
    return samples
  }
}

function sum(connections: Status['connections']): number {
  const { served, failed, shed, expired, gone, queued, active } = connections
  return served + failed + shed + expired + gone + queued + active
}
