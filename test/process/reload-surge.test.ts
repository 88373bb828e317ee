import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ask, Client } from '../helpers/client.ts'
import { reload, tryReload } from '../helpers/commands.ts'
import { Load } from '../helpers/load.ts'
import { signalTo } from '../helpers/processes.ts'
import { counted, type Service, startService, workerPids } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'
import { WorkerWatch } from '../helpers/worker-watch.ts'

/** Says who answers. While the test's mark is there, its setup is `spoiled`. */
const marked = (spoiled: string) => `import { existsSync } from 'node:fs'
export default {
  async setup({ slot, generation, settings }) {
    if (existsSync(recordFile)) { ${spoiled} }
  },
  async handle(connection, { generation, settings }) {
    await connection.readLine()
    await connection.write((settings.greeting ?? 'none') + ' ' + generation)
  },
}`

const one = (greeting: string, workers = 3) => ({
  workers,
  reload: { surge: 1, readyTimeoutMs: 10_000 },
  app: { greeting },
})

/** The number of each worker that serves, with its generation. */
async function places(service: Service): Promise<(readonly [slot: number, generation: number])[]> {
  const { workers } = await service.status()
  return workers
    .filter(({ state }) => state === 'idle' || state === 'busy')
    .map(({ slot, generation }) => [slot, generation] as const)
    .toSorted(([a], [b]) => a - b)
}

describe('a reload with a surge', { concurrency: 2 }, () => {
  test('exchanges so many at a time, loses nothing, and keeps the number of workers', async (t) => {
    const service = await startService(t, { config: { workers: 3, reload: { surge: 1 } } })
    const load = new Load(service.port, 8)
    const watch = new WorkerWatch(service)
    for (const generation of [2, 3]) {
      await reload(service)
      assert.equal((await service.status()).generation, generation)
    }
    assert.deepEqual(await watch.stop(), { most: 4, fewest: 3 })
    const { asked, failures } = await load.stop()
    assert.deepEqual(failures, [])
    await counted(service, { accepted: asked, served: asked, active: 0, queued: 0 })
  })

  test('the next batch waits for those that the one before took over from', async (t) => {
    const service = await startService(t, { app: marked(''), config: one('v1', 2) })
    const holders = [await Client.connect(service.port), await Client.connect(service.port)]
    await counted(service, { active: 2 })
    const reloading = service.cli('reload')
    for (let asked = 0; asked < 20; asked += 1) {
      assert.equal((await ask(service.port, '\r\n')).text, 'v1 2')
    }
    const { workers } = await service.status()
    assert.deepEqual(
      workers.map(({ slot, generation, state }) => [slot, generation, state]),
      [
        [1, 1, 'retiring'],
        [2, 1, 'busy'],
        [1, 2, 'idle'],
      ],
    )
    for (const holder of holders) await holder.send('\r\n')
    for (const holder of holders) {
      assert.deepEqual(await holder.ending(), { how: 'end', text: 'v1 1' })
    }
    assert.equal((await reloading).status, 0)
    await counted(service, { accepted: 22, served: 22 })
  })

  test('the next reload waits for those that the one before let go', async (t) => {
    const service = await startService(t, { app: marked(''), config: one('v1', 1) })
    const holder = await Client.connect(service.port)
    await counted(service, { active: 1 })
    await reload(service)
    const watch = new WorkerWatch(service)
    const second = service.cli('reload')
    await waitFor('its beginning', async () => {
      const { events } = await service.status()
      return events.filter(({ kind }) => kind === 'reload-begun').length === 2
    })
    for (let asked = 0; asked < 200; asked += 1) {
      assert.equal((await ask(service.port, '\r\n')).text, 'v1 2')
    }
    await holder.send('\r\n')
    assert.deepEqual(await holder.ending(), { how: 'end', text: 'v1 1' })
    assert.equal((await second).status, 0)
    assert.deepEqual(await watch.stop(), { most: 2, fewest: 1 })
  })

  for (const [from, to] of [
    [2, 4],
    [4, 2],
  ] as const) {
    test(`${from} workers become ${to}`, async (t) => {
      const service = await startService(t, { app: marked(''), config: one('v1', from) })
      service.sandbox.configure(one('v2', to))
      await reload(service)
      await waitFor('the new workers alone', async () => (await places(service)).length === to)
      assert.equal((await ask(service.port, '\r\n')).text, 'v2 2')
    })
  }

  test('a later batch that fails gives the old generation its places back', async (t) => {
    const app = marked(`if (generation === 2 && slot === 3) throw new Error('third time unlucky')`)
    const service = await startService(t, { app, config: one('v1'), allow: [/Reload failed/] })
    service.sandbox.mark()
    service.sandbox.configure(one('v2'))
    const load = new Load(service.port, 4, (_, answer) => /^v[12] [12]$/.test(answer))
    const watch = new WorkerWatch(service)
    const { status, stderr } = await service.cli('reload')
    assert.equal(status, 1)
    assert.match(stderr, /keeps serving: Worker 3 could not get ready: .*third time unlucky/)
    assert.deepEqual(await watch.stop(), { most: 4, fewest: 3 })
    assert.deepEqual((await load.stop()).failures, [])
    assert.deepEqual(await places(service), [
      [1, 1],
      [2, 1],
      [3, 1],
    ])
    const { generation, lastReload, state } = await service.status()
    assert.deepEqual([generation, state], [1, 'serving'])
    assert.match(
      lastReload?.reason ?? '',
      /^Worker 3 could not get ready: .*\(in step "workers"\)$/,
    )
    assert.equal((await ask(service.port, '\r\n')).text, 'v1 1')
  })

  test('new workers stand in for old ones that cannot start again, until they can', async (t) => {
    // Generation 1 cannot start from the code that is there now, and its second worker makes the reload fail.
    const app = marked(`if (settings.greeting === 'v1' || slot === 2) throw new Error('spoiled')`)
    const service = await startService(t, {
      app,
      config: one('v1', 2),
      allow: [/Reload failed/, /Cannot recycle a worker/],
    })
    service.sandbox.mark()
    service.sandbox.configure(one('v2', 2))
    const { status, stderr } = await service.cli('reload')
    assert.equal(status, 1)
    assert.match(
      stderr,
      /cannot start again .*spoiled.*; until they can, new workers stand in for them: 1/,
    )
    assert.deepEqual(await places(service), [
      [1, 2],
      [2, 1],
    ])
    await service.sandbox.logged(/Cannot recycle a worker/)
    assert.equal((await ask(service.port, '\r\n')).how, 'end')

    service.sandbox.unmark()
    await waitFor('the old generation', async () => {
      const now = await places(service)
      return now.length === 2 && now.every(([, generation]) => generation === 1)
    })
    assert.equal((await ask(service.port, '\r\n')).text, 'v1 1')
  })

  test('a reload after a failed one takes over from stand-ins too', async (t) => {
    const app = marked(`if (settings.greeting === 'v1' || settings.greeting === 'v2' && slot === 2)
      throw new Error('spoiled')`)
    const service = await startService(t, {
      app,
      config: one('v1', 2),
      allow: [/Reload failed/, /Cannot recycle a worker/],
    })
    service.sandbox.mark()
    service.sandbox.configure(one('v2', 2))
    assert.equal((await tryReload(service)).outcome, 'failed')
    service.sandbox.configure(one('v3', 2))
    await reload(service)
    await waitFor('the new workers alone', async () => {
      const now = await places(service)
      return now.length === 2 && now.every(([, generation]) => generation === 3)
    })
  })

  test('a worker of the old generation that dies meanwhile is started again', async (t) => {
    const app = marked(
      `if (generation === 2) await new Promise((resolve) => setTimeout(resolve, 1e9))`,
    )
    const config = { ...one('v1', 2), reload: { surge: 1 } }
    const service = await startService(t, {
      app,
      config,
      allow: [/Reload failed/, /not ready.*Killing a worker/],
    })
    const [first = 0] = await workerPids(service)
    service.sandbox.mark()
    // Not for the start: it may take longer on a busy machine.
    service.sandbox.configure({ ...config, reload: { surge: 1, readyTimeoutMs: 3_000 } })
    const reloading = service.cli('reload')
    await service.sandbox.logged(/Reloading/)
    signalTo(first, 'SIGKILL')
    await waitFor('another worker', async () => {
      const { workers } = await service.status()
      const again = workers.find(({ slot, generation }) => slot === 1 && generation === 1)
      return again?.state === 'idle' && again.pid !== first
    })
    assert.equal((await reloading).status, 1)
    const [afterwards = 0] = await workerPids(service)
    signalTo(afterwards, 'SIGKILL')
    await waitFor('another worker after the failure', async () => {
      const { workers } = await service.status()
      return (
        workers.length === 2 &&
        workers.every(({ pid, state }) => pid !== afterwards && state === 'idle')
      )
    })
    assert.equal((await ask(service.port, '\r\n')).text, 'v1 1')
  })

  test('a stop in the middle of a reload serves what is in hand and ends', async (t) => {
    const app = marked(`if (slot === 2) await new Promise((resolve) => setTimeout(resolve, 1e9))`)
    const service = await startService(t, { app, config: one('v1', 2) })
    service.sandbox.mark()
    const reloading = service.cli('reload')
    await waitFor('a worker that took over', async () =>
      (await places(service)).some(([slot, generation]) => slot === 1 && generation === 2),
    )
    const holder = await Client.connect(service.port)
    await counted(service, { active: 1 })
    service.signal('SIGUSR1')
    const { status, stderr } = await reloading
    assert.equal(status, 1)
    assert.match(stderr, /The service is stopping/)
    await holder.send('\r\n')
    assert.equal((await holder.ending()).how, 'end')
    await service.sandbox.assertNothingLeft()
  })
})
