import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ask, Client } from '../helpers/client.ts'
import { reload, scale } from '../helpers/commands.ts'
import { Load } from '../helpers/load.ts'
import { isAlive } from '../helpers/processes.ts'
import { counted, type Service, startService, workerPids } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'
import { WorkerWatch } from '../helpers/worker-watch.ts'

/** Waits until every worker is another process. */
const renewed = (service: Service, before: readonly number[]) =>
  waitFor('other workers', async () => {
    const now = await workerPids(service)
    return now.length === before.length && now.every((pid) => !before.includes(pid))
      ? now
      : undefined
  })

describe('recycling', { concurrency: 2 }, () => {
  test('after so many connections, one at a time, losing none', async (t) => {
    const config = { workers: 3, recycle: { afterConnections: 20 } }
    const service = await startService(t, { config })
    const watch = new WorkerWatch(service)
    const load = new Load(service.port, 6)
    await waitFor('three generations of processes', () => watch.pids.size >= 9)
    const { asked, failures } = await load.stop()
    assert.deepEqual(await watch.stop(), { most: 4, fewest: 3 })
    assert.deepEqual(failures, [])
    await counted(service, { accepted: asked, served: asked, active: 0, queued: 0 })
    assert.match(service.log(), /"cause":"served \d+ connections".*Recycling a worker/)
    assert.equal((await service.status()).generation, 1)
  })

  test('at an age, and with the limits that a reload gives', async (t) => {
    const service = await startService(t, { config: { workers: 2 } })
    service.sandbox.configure({ workers: 2, recycle: { maxAgeMs: 300 } })
    await reload(service)
    await waitFor('the new generation alone', async () => (await workerPids(service)).length === 2)
    const before = await workerPids(service)
    await service.sandbox.logged(/ran for \d+ ms.*Recycling a worker/)
    await waitFor('the end of them', () => !before.some(isAlive))
    service.sandbox.configure({ workers: 2 })
    await reload(service)
  })

  test('for its memory, once it has served somebody', async (t) => {
    const app = `const hoard = []
    export default {
      async handle(connection) {
        const line = await connection.readLine()
        if (line.includes('leak')) hoard.push(Buffer.alloc(256 * 1024 * 1024, 1))
        await connection.write(line)
      },
    }`
    const config = { recycle: { maxRssMb: 256 }, watchdog: { heartbeatMs: 50 } }
    const service = await startService(t, { app, config })
    const before = await workerPids(service)
    assert.equal((await ask(service.port, 'well\r\n')).text, 'well\r\n')
    assert.deepEqual(await workerPids(service), before)
    assert.equal((await ask(service.port, 'leak\r\n')).text, 'leak\r\n')
    await renewed(service, before)
    await service.sandbox.logged(/has \d+ MiB of memory.*Recycling a worker/)
    assert.equal((await ask(service.port, 'well\r\n')).text, 'well\r\n')
  })

  test("the old worker's active connection is finished, and the next worker waits for it", async (t) => {
    const config = { workers: 2, recycle: { maxAgeMs: 1_000 } }
    const service = await startService(t, { config })
    const holders = [await Client.connect(service.port), await Client.connect(service.port)]
    const { workers } = await counted(service, { active: 2 })
    await waitFor('a worker that retires', async () =>
      (await service.status()).workers.some(({ state }) => state === 'retiring'),
    )
    for (let asked = 0; asked < 20; asked += 1) {
      assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
    }
    const now = await workerPids(service)
    assert.ok(workers.every(({ pid }) => pid !== null && now.includes(pid)))
    for (const holder of holders) {
      await holder.send('held\r\n')
      assert.deepEqual(await holder.ending(), { how: 'end', text: 'held\r\n' })
    }
    await counted(service, { failed: 0, active: 0 })
  })

  test('takes turns with reloads and scalings, losing none', async (t) => {
    const config = { workers: 2, reload: { surge: 1 }, recycle: { afterConnections: 5 } }
    const service = await startService(t, { config })
    const load = new Load(service.port, 6)
    const watch = new WorkerWatch(service)
    for (let count = 0; count < 2; count += 1) {
      await scale(service, 3)
      await reload(service)
      await scale(service, 1)
    }
    const { asked, failures } = await load.stop()
    const { most, fewest } = await watch.stop()
    assert.ok(most <= 5, `${most} at once`)
    assert.ok(fewest >= 1, `${fewest} that serve`)
    assert.deepEqual(failures, [])
    await counted(service, { accepted: asked, served: asked, active: 0, queued: 0 })
  })

  test('a replacement that cannot get ready leaves the old worker serving, and is tried again', async (t) => {
    const app = `import { existsSync } from 'node:fs'
    export default {
      setup() {
        if (existsSync(recordFile)) throw new Error('no device')
      },
      async handle(connection) {
        await connection.write((await connection.readLine()) ?? '')
      },
    }`
    const service = await startService(t, {
      app,
      config: { recycle: { afterConnections: 1 } },
      allow: [/Cannot recycle a worker/],
    })
    const before = await workerPids(service)
    service.sandbox.mark()
    assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
    await service.sandbox.logged(/no device[^}]*"failures":2/)
    assert.equal((await ask(service.port, 'b\r\n')).text, 'b\r\n')
    const { workers, state } = await service.status()
    assert.equal(workers[0]?.pid, before[0])
    assert.equal(state, 'serving')
    service.sandbox.unmark()
    await renewed(service, before)
  })
})
