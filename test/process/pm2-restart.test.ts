import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import type { Status } from '../../src/status.ts'
import { Client } from '../helpers/client.ts'
import type { Load } from '../helpers/load.ts'
import { Pm2, type Pm2Options } from '../helpers/pm2.ts'
import { isAlive, signalTo } from '../helpers/processes.ts'
import { counted } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

/** Waits until the load has been answered some more. */
async function goOn(load: Load): Promise<void> {
  const before = load.asked
  await waitFor('the load to go on', () => load.asked > before + 20)
}

/** A service under pm2 with load on it. */
async function loaded(t: TestContext, options: Pm2Options = {}) {
  const pm2 = new Pm2(t, { ...options, config: { workers: 2, ...options.config } })
  const { port } = await pm2.start()
  const load = pm2.load(port, 2)
  await goOn(load)
  return { pm2, load }
}

/** Waits until the bridge that pm2 has is attached to another primary than `before`, which has gone. */
async function replaced(pm2: Pm2, before: Status): Promise<Status> {
  const bridge = await pm2.isListed('online')
  const status = await waitFor('the bridge at another primary', async () => {
    const now = await pm2.status().catch(() => undefined)
    return now !== undefined && now.pid !== before.pid && now.supervisor.pid === bridge.pid
      ? now
      : undefined
  })
  await waitFor('the end of the primary before', () => !isAlive(before.pid))
  return status
}

/** Ends the load, of which nobody was lost or refused. */
async function lostNobody(load: Load): Promise<void> {
  await goOn(load)
  const { asked, failures } = await load.stop()
  assert.deepEqual(failures, [], `of ${asked}`)
}

describe('pm2 restart', { concurrency: 3 }, () => {
  test('replaces everything again and again, and refuses nobody', async (t) => {
    const { pm2, load } = await loaded(t, {
      allow: [/failed to load: broken release/, /Reload failed/, /Cannot take the service over/],
    })
    let before = await pm2.status()

    await t.test('by name', async () => {
      const client = await Client.connect(before.listen.port)
      const bridge = await pm2.bridge()
      await pm2.do('restart', 'helloserver')
      const bridgeNow = await pm2.bridge()
      assert.notEqual(bridgeNow.pid, bridge.pid)
      assert.equal(bridgeNow.pm2_env.restart_time, 1)
      await client.send('patient\r\n')
      assert.deepEqual(await client.ending(), { how: 'end', text: 'patient\r\n' })
      const status = await replaced(pm2, before)
      assert.deepEqual([status.generation, status.lastReload?.outcome], [2, 'done'])
      await pm2.logged(/Reloading \(pm2 restart\)/)
      before = status
    })

    await t.test('by file, with another environment', async () => {
      pm2.describe({ env: { HELLOSERVER_WORKERS: '3' } })
      await pm2.do('restart', pm2.ecosystemFile, '--update-env')
      const status = await replaced(pm2, before)
      assert.equal(status.workers.filter(({ generation }) => generation === 3).length, 3)
      before = status
    })

    await t.test('twice at once, and all', async () => {
      await Promise.all([pm2.run('restart', 'helloserver'), pm2.run('restart', 'helloserver')])
      before = await replaced(pm2, before)
      await pm2.do('restart', 'all')
      before = await replaced(pm2, before)
    })

    await t.test('pm2 start of what runs is one, too', async () => {
      await pm2.do('start', pm2.ecosystemFile)
      before = await replaced(pm2, before)
    })

    await t.test('a release that fails leaves the old one in service', async () => {
      pm2.sandbox.writeApp(`throw new Error('broken release')`)
      await pm2.do('restart', 'helloserver')
      const bridge = await pm2.isListed('online')
      const status = await pm2.status()
      assert.deepEqual([status.pid, status.supervisor.pid], [before.pid, bridge.pid])
      assert.match(status.lastReload?.reason ?? '', /failed to load: broken release/)
      await pm2.logged(/"role":"bridge".*The restart failed; the old generation goes on serving/)
      pm2.sandbox.writeApp()
      await pm2.do('restart', 'helloserver')
      before = await replaced(pm2, before)
    })

    await t.test('a bridge that crashes afterwards restarts nothing', async () => {
      const bridge = await pm2.bridge()
      signalTo(bridge.pid, 'SIGKILL')
      await waitFor('another bridge', async () => {
        const { supervisor } = await pm2.status()
        return supervisor.attached && supervisor.pid !== bridge.pid
      })
      await pm2.isListed('online')
      const { pid, generation } = await pm2.status()
      assert.deepEqual([pid, generation], [before.pid, before.generation])
    })

    await lostNobody(load)
    await pm2.do('reset', 'helloserver')
    await pm2.do('stop', 'helloserver')
    await waitFor('the end of the primary', () => !isAlive(before.pid))
    await assert.rejects(pm2.status(), { code: 'NOT_RUNNING' })
  })

  test('of what only a restart can change takes a stop and a start', async (t) => {
    const pm2 = new Pm2(t)
    const before = await pm2.start()
    const client = await Client.connect(before.port)
    await counted(before, { active: 1 })
    pm2.sandbox.configure({ lease: { ttlMs: 5_000 } })
    const restarted = pm2.do('restart', 'helloserver')
    await pm2.logged(
      /"reason":"lease.ttlMs cannot change from 3000 to 5000".*This restart takes a stop and a start/,
    )
    await client.send('a\r\n')
    assert.deepEqual(await client.ending(), { how: 'end', text: 'a\r\n' })
    await restarted
    const { pid, generation, supervisor } = await pm2.status()
    assert.deepEqual([generation, supervisor.attached], [1, true])
    assert.notEqual(pid, before.pid)
  })

  test('of a configuration that is bad leaves the old one in service', async (t) => {
    const reason = /workers is 0; it must be a number from 1 to 1024/
    const { pm2, load } = await loaded(t, { allow: [reason] })
    const before = await pm2.status()
    pm2.sandbox.configure({ workers: 0 })
    await pm2.do('restart', 'helloserver')
    await pm2.isListed('online')
    const status = await pm2.status()
    assert.equal(status.pid, before.pid)
    assert.match(status.lastReload?.reason ?? '', reason)
    assert.equal(status.supervisor.attached, true)
    await lostNobody(load)
    await pm2.do('stop', 'helloserver')
    assert.ok(!isAlive(before.pid), 'pm2 stop did not end the primary')
  })

  test('during a reload and during an upgrade comes after it', async (t) => {
    const app = `import { setTimeout as delay } from 'node:timers/promises'
      export default {
        setup: () => delay(400),
        async handle(connection) { await connection.write((await connection.readLine()) ?? '') },
      }`
    const { pm2, load } = await loaded(t, { app })
    const before = await pm2.status()
    for (const [signal, begun] of [
      ['SIGHUP', /Reloading \(SIGHUP\)/],
      ['SIGUSR2', /Reloading \(SIGUSR2\)/],
    ] as const) {
      const { pid } = await pm2.status()
      signalTo(pid, signal)
      await pm2.sandbox.logged(begun)
      await pm2.do('restart', 'helloserver')
      const bridge = await pm2.isListed('online')
      await waitFor('the outcome of the restart', async () => {
        const { supervisor, lastReload } = await pm2.status()
        return supervisor.pid === bridge.pid && lastReload?.outcome === 'done'
      })
    }
    await replaced(pm2, before)
    await lostNobody(load)
  })

  test('while the service is still starting is a start with what is new', async (t) => {
    const app = `import { setTimeout as delay } from 'node:timers/promises'
      export default { setup: () => delay(1000), handle() {} }`
    const pm2 = new Pm2(t, { app })
    const started = pm2.run('start', pm2.ecosystemFile)
    await waitFor('a primary', () => pm2.status().catch(() => undefined))
    pm2.environment = { HELLOSERVER_WORKERS: '2' }
    await pm2.do('restart', 'helloserver', '--update-env')
    await started
    const bridge = await pm2.isListed('online')
    const { workers, supervisor } = await pm2.status()
    assert.deepEqual([workers.length, supervisor.pid], [2, bridge.pid])
  })

  test('by a file that is watched is one, too', async (t) => {
    const pm2 = new Pm2(t)
    pm2.describe({ watch: [pm2.sandbox.recordFile] })
    const { port } = await pm2.start()
    const before = await pm2.status()
    const load = pm2.load(port, 1)
    pm2.sandbox.mark()
    await replaced(pm2, before)
    await lostNobody(load)
  })

  test('and pm2 stop at once: nothing is left', async (t) => {
    const pm2 = new Pm2(t)
    const { pid } = await pm2.start()
    const old = await pm2.bridge()
    const restarting = pm2.run('restart', 'helloserver')
    await waitFor('the end of the old bridge', () => !isAlive(old.pid))
    await pm2.run('stop', 'helloserver')
    await restarting
    await pm2.isListed('stopped')
    await waitFor('the end of the primary', () => !isAlive(pid))
    await assert.rejects(pm2.status(), { code: 'NOT_RUNNING' })
    assert.doesNotMatch(pm2.log(), /failed/)
  })
})
