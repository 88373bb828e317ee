import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { ask } from '../helpers/client.ts'
import { Pm2 } from '../helpers/pm2.ts'
import { isAlive, signalTo } from '../helpers/processes.ts'
import { waitFor } from '../helpers/wait-for.ts'

const echoed = { how: 'end', text: 'a\r\n' }

describe('pm2 reload', { concurrency: 2 }, () => {
  test('brings a new generation and a new bridge, and drops nobody', async (t) => {
    const pm2 = new Pm2(t, { config: { workers: 2 } })
    const { port, pid } = await pm2.start()
    const old = await pm2.bridge()
    const load = pm2.load(port, 4)
    for (const generation of [2, 3]) {
      const before = load.asked
      await pm2.do('reload', 'helloserver')
      const status = await pm2.status()
      assert.deepEqual({ pid: status.pid, generation: status.generation }, { pid, generation })
      assert.equal(status.lastReload?.outcome, 'done')
      assert.ok(load.asked > before, 'nobody was served meanwhile')
    }
    const { asked, failures } = await load.stop()
    assert.deepEqual(failures, [], `of ${asked}`)
    const bridge = await pm2.bridge()
    const { supervisor, workers, connections } = await pm2.status()
    assert.deepEqual(supervisor, { attached: true, pid: bridge.pid })
    assert.equal(bridge.pm2_env.status, 'online')
    assert.ok(!isAlive(old.pid), 'the old bridge is still there')
    assert.equal(connections.served, asked)
    assert.ok(workers.every(({ generation }) => generation === 3))
    assert.equal(pm2.log().match(/Reloading \(pm2 reload\)/g)?.length, 2)
  })

  test('new code serves when the command returns', async (t) => {
    const pm2 = new Pm2(t)
    const { port, pid } = await pm2.start()
    pm2.sandbox.writeApp(`export default { handle: (connection) => connection.write('new\\r\\n') }`)
    await pm2.do('reload', 'helloserver')
    assert.deepEqual(await ask(port, ''), { how: 'end', text: 'new\r\n' })
    assert.equal((await pm2.status()).pid, pid)
  })

  for (const { what, spoil, reason } of [
    {
      what: 'a broken configuration',
      spoil: ({ sandbox }: Pm2) => sandbox.configure({ workers: 0 }),
      reason: /workers is 0; it must be a number from 1 to 1024/,
    },
    {
      what: 'code that throws at load',
      spoil: ({ sandbox }: Pm2) => sandbox.writeApp(`throw new Error('bad release')`),
      reason: /failed to load: bad release/,
    },
    {
      what: 'a worker that never gets ready',
      spoil: ({ sandbox }: Pm2) => {
        sandbox.configure({ reload: { readyTimeoutMs: 1000 } })
        sandbox.writeApp(`export default { setup: () => new Promise(() => {}), handle() {} }`)
      },
      reason: /could not get ready: .*1000 ms/,
    },
  ]) {
    test(`${what} leaves the old generation in service, and pm2's log says why`, async (t) => {
      const pm2 = new Pm2(t, {
        allow: [reason, /not ready within 1000 ms/, /failed to load: bad release/],
      })
      const { port, pid } = await pm2.start()
      spoil(pm2)
      await pm2.do('reload', 'helloserver')
      const bridge = await pm2.isListed('online')
      const status = await pm2.status()
      assert.deepEqual({ pid: status.pid, generation: status.generation }, { pid, generation: 1 })
      assert.equal(status.lastReload?.outcome, 'failed')
      assert.match(status.lastReload?.reason ?? '', reason)
      assert.deepEqual(status.supervisor, { attached: true, pid: bridge.pid })
      assert.deepEqual(await ask(port, 'a\r\n'), echoed)
      const line = await pm2.logged(/.*"role":"bridge".*the old generation goes on serving.*/)
      assert.match(line, reason)
      await waitFor('the reason in pm2 describe', async () => {
        const { stdout } = await pm2.run('describe', 'helloserver')
        const row = stripVTControlCharacters(stdout).match(/Last reload .*failed at .*/)?.[0]
        return row !== undefined && reason.test(row)
      })

      pm2.sandbox.configure()
      pm2.sandbox.writeApp()
      await pm2.do('reload', 'helloserver')
      assert.equal((await pm2.status()).lastReload?.outcome, 'done')
      assert.deepEqual(await ask(port, 'a\r\n'), echoed)
    })
  }

  test('twice at once is as good as once', async (t) => {
    const pm2 = new Pm2(t)
    const { port, pid } = await pm2.start()
    const load = pm2.load(port, 4)
    const results = await Promise.all([1, 2].map(() => pm2.run('reload', 'helloserver')))
    assert.ok(results.some(({ status }) => status === 0))
    const bridge = await pm2.isListed('online')
    const status = await pm2.status()
    assert.equal(status.pid, pid)
    assert.ok([2, 3].includes(status.generation), `generation ${status.generation}`)
    assert.deepEqual(status.supervisor, { attached: true, pid: bridge.pid })
    assert.deepEqual((await load.stop()).failures, [])
  })

  test('what the ecosystem file now says about the workers is applied', async (t) => {
    const pm2 = new Pm2(t, { entry: { env: { HELLOSERVER_WORKERS: '1' } } })
    const { pid } = await pm2.start()
    pm2.describe({ env: { HELLOSERVER_WORKERS: '3' } })
    await pm2.do('reload', pm2.ecosystemFile)
    const status = await pm2.status()
    assert.equal(status.pid, pid)
    assert.equal(status.workers.filter(({ generation }) => generation === 2).length, 3)
  })

  test('what the shell now says about the workers is applied with --update-env', async (t) => {
    const pm2 = new Pm2(t)
    pm2.environment = { HELLOSERVER_WORKERS: '1' }
    const { pid } = await pm2.start()
    pm2.environment = { HELLOSERVER_WORKERS: '2' }
    await pm2.do('reload', pm2.ecosystemFile, '--update-env')
    const status = await pm2.status()
    assert.equal(status.pid, pid)
    assert.equal(status.workers.filter(({ generation }) => generation === 2).length, 2)
    pm2.environment = { HELLOSERVER_WORKERS: '3' }
    await pm2.do('reload', 'helloserver', '--update-env')
    assert.equal((await pm2.status()).workers.filter((one) => one.generation === 3).length, 3)
  })

  test('a bridge that is interrupted lets the primary go on', async (t) => {
    const pm2 = new Pm2(t)
    const { port, pid } = await pm2.start()
    const { pid: bridge } = await pm2.bridge()
    const load = pm2.load(port, 4)
    signalTo(bridge, 'SIGINT')
    await waitFor('the end of the bridge', () => !isAlive(bridge))
    const status = await waitFor('another bridge', async () => {
      const { supervisor, ...rest } = await pm2.status()
      return supervisor.attached && supervisor.pid !== bridge ? rest : undefined
    })
    assert.deepEqual({ pid: status.pid, generation: status.generation }, { pid, generation: 1 })
    assert.deepEqual((await load.stop()).failures, [])
    await pm2.isListed('online')
  })
})
