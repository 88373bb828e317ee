import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Status } from '../../src/status.ts'
import { Client } from '../helpers/client.ts'
import type { Load } from '../helpers/load.ts'
import { Pm2 } from '../helpers/pm2.ts'
import { isAlive, signalTo } from '../helpers/processes.ts'
import { counted } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

/** Waits until the load has been answered some more. */
async function goOn(load: Load): Promise<void> {
  const before = load.asked
  await waitFor('the load to go on', () => load.asked > before + 20)
}

/** Waits until the bridge that pm2 has is attached to another primary than `before`, which has gone. */
async function replaced(pm2: Pm2, before: Status): Promise<Status> {
  const status = await waitFor('a bridge at another primary', async () => {
    const now = await pm2.status().catch(() => undefined)
    return now !== undefined && now.pid !== before.pid && now.supervisor.attached ? now : undefined
  })
  assert.equal((await pm2.isListed('online')).pid, status.supervisor.pid)
  await waitFor('the end of the primary before', () => !isAlive(before.pid))
  return status
}

/** Does something while clients ask, of whom nobody is lost or refused. */
async function unnoticed(pm2: Pm2, port: number, act: () => Promise<void>): Promise<void> {
  const load = pm2.load(port, 2)
  await goOn(load)
  await act()
  await goOn(load)
  const { asked, failures } = await load.stop()
  assert.deepEqual(failures, [], `of ${asked}`)
}

/** Takes a while to get ready, so that something can happen meanwhile. */
const slow = `import { setTimeout as delay } from 'node:timers/promises'
  export default {
    setup: () => delay(1000),
    async handle(connection) { await connection.write((await connection.readLine()) ?? '') },
  }`

/** A client waits through a restart, however busy the machine is. */
const patient = { connection: { readTimeoutMs: 120_000, deadlineMs: 120_000 } }

const badConfiguration = /lease\.ttlMs is 1; /

test('pm2 restart', async (t) => {
  const pm2 = new Pm2(t, {
    app: slow,
    config: patient,
    allow: [
      /failed to load: broken release/,
      badConfiguration,
      /Reload failed/,
      /Cannot take the service over/,
    ],
  })
  // pm2 looks at it only when the entry is a new one.
  pm2.describe({ watch: [pm2.sandbox.recordFile] })
  await t.test('during a start, a reload and an upgrade comes after it', () => amidst(pm2))
  pm2.sandbox.writeApp()
  await t.test('replaces everything again and again, and refuses nobody', (own) => again(own, pm2))
  await t.test('of what fails leaves the old one in service', (own) => failing(own, pm2))
  await t.test('a bridge that crashes afterwards restarts nothing', () => crash(pm2))
  await t.test('of what only a restart can change is a stop and a start', () => incompatible(pm2))
  await t.test('pm2 stop after pm2 reset is a stop', () => stopAfterReset(pm2))
  await t.test('and pm2 stop at once: nothing is left', () => stopAtOnce(pm2))
})

async function amidst(pm2: Pm2): Promise<void> {
  const started = pm2.run('start', pm2.ecosystemFile)
  const first = await waitFor('a primary', () => pm2.status().catch(() => undefined))
  pm2.environment = { HELLOSERVER_WORKERS: '2' }
  await pm2.do('restart', 'helloserver', '--update-env')
  pm2.environment = {}
  await started
  const status = await replaced(pm2, first)
  assert.equal(status.workers.length, 2)
  for (const [signal, begun] of [
    ['SIGHUP', /Reloading \(SIGHUP\)/],
    ['SIGUSR2', /Reloading \(SIGUSR2\)/],
  ] as const) {
    await unnoticed(pm2, status.listen.port, async () => {
      const before = await pm2.status()
      signalTo(before.pid, signal)
      await pm2.sandbox.logged(begun)
      await pm2.do('restart', 'helloserver')
      const { lastReload } = await replaced(pm2, before)
      assert.equal(lastReload?.outcome, 'done')
    })
  }
}

async function again(t: TestContext, pm2: Pm2): Promise<void> {
  let before = await pm2.status()
  const { port } = before.listen
  const restarted = (how: string, restart: () => Promise<unknown>) =>
    t.test(how, () =>
      unnoticed(pm2, port, async () => {
        await restart()
        before = await replaced(pm2, before)
      }),
    )

  await restarted('by file, with another environment', async () => {
    const client = await Client.connect(port)
    const bridge = await pm2.bridge()
    pm2.describe({ watch: [pm2.sandbox.recordFile], env: { HELLOSERVER_WORKERS: '1' } })
    await pm2.do('restart', pm2.ecosystemFile, '--update-env')
    const { pid, pm2_env } = await pm2.bridge()
    assert.notEqual(pid, bridge.pid)
    assert.equal(pm2_env.restart_time, bridge.pm2_env.restart_time + 1)
    await client.send('patient\r\n')
    assert.deepEqual(await client.ending(), { how: 'end', text: 'patient\r\n' })
    await pm2.logged(/Reloading \(pm2 restart\)/)
  })
  assert.equal(before.lastReload?.outcome, 'done')

  assert.deepEqual(
    before.workers.map(({ generation }) => generation),
    [before.generation],
  )

  await restarted('twice at once', () =>
    Promise.all([1, 2].map(() => pm2.run('restart', 'helloserver'))),
  )
  await restarted('by pm2 start of what runs', () => pm2.do('start', pm2.ecosystemFile))
  await restarted('by a file that is watched', async () => pm2.sandbox.mark())
}

async function failing(t: TestContext, pm2: Pm2): Promise<void> {
  const { pid, listen } = await pm2.status()
  const fails = (what: string, reason: RegExp) =>
    t.test(what, async () => {
      await unnoticed(pm2, listen.port, () => pm2.do('restart', 'all'))
      const bridge = await pm2.isListed('online')
      const status = await pm2.status()
      assert.deepEqual([status.pid, status.supervisor], [pid, { attached: true, pid: bridge.pid }])
      assert.match(status.lastReload?.reason ?? '', reason)
      await pm2.logged(/"role":"bridge".*The restart failed; the old generation keeps serving/)
    })
  pm2.sandbox.writeApp(`throw new Error('broken release')`)
  await fails('a release', /failed to load: broken release/)
  pm2.sandbox.writeApp()
  pm2.sandbox.configure({ ...patient, lease: { ttlMs: 1 } })
  await fails('a configuration', badConfiguration)
  pm2.sandbox.configure(patient)
}

async function crash(pm2: Pm2): Promise<void> {
  const before = await pm2.status()
  const bridge = await pm2.bridge()
  signalTo(bridge.pid, 'SIGKILL')
  await waitFor('another bridge', async () => {
    const { supervisor } = await pm2.status()
    return supervisor.attached && supervisor.pid !== bridge.pid
  })
  await pm2.isListed('online')
  const { pid, generation } = await pm2.status()
  assert.deepEqual([pid, generation], [before.pid, before.generation])
}

async function incompatible(pm2: Pm2): Promise<void> {
  const before = await pm2.service()
  const client = await Client.connect(before.port)
  await counted(before, { active: 1 })
  pm2.sandbox.configure({ ...patient, lease: { ttlMs: 5_000 } })
  const restarted = pm2.do('restart', 'helloserver')
  await pm2.logged(
    /"reason":"lease.ttlMs cannot change from 3000 to 5000".*Restarting the service by a stop and a start/,
  )
  await client.send('a\r\n')
  assert.deepEqual(await client.ending(), { how: 'end', text: 'a\r\n' })
  await restarted
  const after = await pm2.status()
  assert.deepEqual([after.generation, after.supervisor.attached], [1, true])
  assert.notEqual(after.pid, before.pid)
}

/** The service is gone, and pm2 lists it so. */
async function isStopped(pm2: Pm2, pid: number): Promise<void> {
  await pm2.isListed('stopped')
  await waitFor('the end of the primary', () => !isAlive(pid))
  await assert.rejects(pm2.status(), { code: 'NOT_RUNNING' })
}

async function stopAfterReset(pm2: Pm2): Promise<void> {
  const { pid } = await pm2.status()
  await pm2.do('reset', 'helloserver')
  await pm2.do('stop', 'helloserver')
  await isStopped(pm2, pid)
}

async function stopAtOnce(pm2: Pm2): Promise<void> {
  await pm2.do('start', 'helloserver')
  const { pid } = await pm2.status()
  const old = await pm2.bridge()
  const logged = pm2.log().length
  const restarting = pm2.run('restart', 'helloserver')
  await waitFor('the end of the old bridge', () => !isAlive(old.pid))
  await pm2.run('stop', 'helloserver')
  await restarting
  await isStopped(pm2, pid)
  assert.doesNotMatch(pm2.log().slice(logged), /failed/)
}
