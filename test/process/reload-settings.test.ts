import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { ControlClient } from '../../src/control/control-client.ts'
import { ask, Client } from '../helpers/client.ts'
import { reload, tryReload } from '../helpers/commands.ts'
import type { Settings } from '../helpers/sandbox.ts'
import { counted, type Service, startService } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

/** Tells its settings; writes a line of each level to its log. */
const telling = `export default {
  async handle(connection, { settings, log }) {
    const line = await connection.readLine()
    if (line === null) return
    log.debug('worker debug')
    if (line.includes('block')) for (;;);
    await connection.write(JSON.stringify(settings))
  },
}`

async function reloadedWith(service: Service, config: Settings): Promise<void> {
  service.sandbox.configure(config)
  await reload(service)
  await waitFor('the new workers alone', async () => {
    const { workers, generation } = await service.status()
    return workers.every((worker) => worker.generation === generation)
  })
}

describe('the settings that a reload applies', { concurrency: 2 }, () => {
  test('of a service that goes on', async (t) => {
    const service = await startService(t, {
      app: telling,
      config: {
        workers: 2,
        app: { colour: 'red' },
        drain: { timeoutMs: 600_000 },
        reload: { readyTimeoutMs: 600_000 },
      },
      allow: [/Killing a worker/, /Reload failed/],
    })
    await t.test("the app's settings", async () => {
      assert.equal((await ask(service.port, '\r\n')).text, '{"colour":"red"}')
      await reloadedWith(service, { app: { colour: 'blue', size: [1, 2] } })
      assert.equal((await ask(service.port, '\r\n')).text, '{"colour":"blue","size":[1,2]}')
    })

    await t.test('the log level that a command has set, which a reload undoes', async () => {
      const { status, stdout } = await service.cli('log-level', 'debug')
      assert.deepEqual(
        [status, stdout],
        [0, 'helloserver logs at level debug until the next reload\n'],
      )
      for (let count = 0; count < 2; count += 1) await ask(service.port, '\r\n')
      await service.sandbox.logged(/(worker debug[^]*){2}/)
      // Those that are started from now on, too.
      assert.equal((await service.cli('scale', '1')).status, 0)
      assert.equal((await service.cli('scale', '2')).status, 0)
      await service.sandbox.logged(/Worker slot moved/)
      for (let count = 0; count < 2; count += 1) await ask(service.port, '\r\n')
      await service.sandbox.logged(/(worker debug[^]*){4}/)
      await reloadedWith(service, { workers: 2 })
      const before = service.log()
      for (let count = 0; count < 2; count += 1) await ask(service.port, '\r\n')
      await reload(service)
      const after = service.log().slice(before.length)
      assert.match(after, /Reloaded/)
      assert.doesNotMatch(after, /worker debug|slot moved/)
      assert.equal((await service.cli('log-level', 'loud')).status, 2)
    })

    await t.test("the log level, the primary's and the workers'", async () => {
      const before = service.log().length
      const since = () => service.log().slice(before)
      await ask(service.port, '\r\n')
      await reloadedWith(service, { logLevel: 'debug' })
      await ask(service.port, '\r\n')
      await waitFor(
        'the words of both',
        () => /worker debug/.test(since()) && /slot moved/.test(since()),
      )
      assert.equal(since().match(/worker debug/g)?.length, 1)
    })

    await t.test('the number of workers, up and down', async () => {
      for (const workers of [3, 1]) {
        await reloadedWith(service, { workers })
        assert.equal((await service.status()).workers.length, workers)
      }
    })

    await t.test('how many each client may have open', async () => {
      await reloadedWith(service, { workers: 2, queue: { maxPerClient: 1 } })
      const holder = await Client.connect(service.port)
      await counted(service, { active: 1 })
      assert.equal((await ask(service.port, 'a\r\n')).text, '')
      await counted(service, { shed: 1 })
      await holder.send('a\r\n')
      assert.equal((await holder.ending()).text, '{}')
    })

    await t.test("a connection's limits", async () => {
      await reloadedWith(service, { connection: { maxLineBytes: 8 } })
      assert.doesNotMatch((await ask(service.port, 'much too long\r\n')).text, /much/)
      await reloadedWith(service, { connection: { readTimeoutMs: 50 } })
      await (await Client.connect(service.port)).ending()
      await reloadedWith(service, { connection: { deadlineMs: 50 } })
      await (await Client.connect(service.port)).ending()
      await counted(service, { active: 0 })
    })

    await t.test('the patience of the watchdog', async () => {
      await reloadedWith(service, { watchdog: { heartbeatMs: 50, hungAfterMs: 300 } })
      const { failed } = (await service.status()).connections
      await ask(service.port, 'block\r\n')
      await service.sandbox.logged(/has not turned for 300 ms/)
      await counted(service, { failed: failed + 1 })
    })

    await t.test('the time to get ready, in the very same reload', async () => {
      service.sandbox.writeApp('export default { handle() {}, setup: () => new Promise(() => {}) }')
      service.sandbox.configure({ reload: { readyTimeoutMs: 500 } })
      assert.match((await tryReload(service)).reason ?? '', /not ready within 500 ms/)
      service.sandbox.writeApp()
      service.sandbox.configure()
    })

    await t.test('another run directory is refused by name', async () => {
      const { runDir, configFile, socketFile } = service.sandbox
      const client = await ControlClient.connect(socketFile)
      const environment = { HELLOSERVER_CONFIG: configFile, HELLOSERVER_RUN_DIR: join(runDir, 'x') }
      const { outcome, reason } = await client.request('reload', { environment })
      assert.equal(outcome, 'failed')
      assert.equal(
        reason,
        `HELLOSERVER_RUN_DIR cannot change from ${runDir} to ${runDir}/x in a reload or an upgrade; use "helloserver restart", or "pm2 restart" under pm2 (in step "configuration")`,
      )
      const same = { ...environment, HELLOSERVER_RUN_DIR: runDir, HELLOSERVER_WORKERS: '2' }
      assert.equal((await client.request('reload', { environment: same })).outcome, 'done')
      await waitFor('two workers', async () => (await service.status()).workers.length === 2)
      client.close()
    })

    await t.test('the time to drain', async () => {
      await reloadedWith(service, { drain: { timeoutMs: 50 } })
      await Client.connect(service.port)
      await counted(service, { active: 1 })
      await service.stop()
      assert.match(service.log(), /"timeoutMs":50.*The drain took too long/)
    })
  })

  test("the queue's limits, also to those who wait already", async (t) => {
    const service = await startService(t, { config: { queue: { max: 5 } } })
    const holder = await Client.connect(service.port)
    await counted(service, { active: 1 })
    const others = [await Client.connect(service.port), await Client.connect(service.port)]
    await counted(service, { queued: 2 })
    // The new worker takes one, the other is the only one that may wait.
    await reloadedWithHolder(service, { queue: { max: 1 } })
    await counted(service, { active: 2, queued: 1 })
    assert.equal((await service.status()).queue.max, 1)
    assert.equal((await ask(service.port, 'a\r\n')).text, '')
    await counted(service, { shed: 1 })
    await reloadedWithHolder(service, { queue: { max: 1, maxWaitMs: 1 }, workers: 1 })
    for (const client of [holder, ...others]) await client.send('a\r\n')
    for (const client of [holder, ...others]) await client.ending()
    await counted(service, { accepted: 4, active: 0, queued: 0 })
  })
})

/** Reloads while a worker of the old generation has somebody in hand. */
async function reloadedWithHolder(service: Service, config: Settings): Promise<void> {
  service.sandbox.configure(config)
  await reload(service)
}
