import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ReloadResult, Status, WorkerStatus } from '../../src/status.ts'
import { Client } from '../helpers/client.ts'
import { upgrade } from '../helpers/commands.ts'
import { Pm2 } from '../helpers/pm2.ts'
import { isAlive, signalTo } from '../helpers/processes.ts'
import { counted } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

interface Failure {
  readonly error: { readonly code: string; readonly message: string }
}

/** Runs `pm2 trigger`, which ends only when it is answered, and returns the answer. */
async function typed<T = Failure>(pm2: Pm2, ...words: string[]): Promise<T> {
  const { status, stdout } = await pm2.run('trigger', 'helloserver', ...words)
  const [, json] = stdout.match(/^\[helloserver:0:default\]=(.*)$/m) ?? []
  assert.ok(status === 0 && json !== undefined, stdout)
  return JSON.parse(json) as T
}

/** Asks the same of pm2 without its command line. */
async function trigger<T = Failure>(pm2: Pm2, action: string, parameter?: string): Promise<T> {
  return (await pm2.trigger(action, parameter)) as T
}

/** A process's actions are there when its figures are. */
const hasActions = (pm2: Pm2) =>
  waitFor('figures', async () => (await pm2.bridge()).pm2_env.axm_monitor['Now'])

test('pm2 trigger is answered', async (t) => {
  const pm2 = new Pm2(t, {
    config: { workers: 2 },
    allow: [/failed to load: no such table/],
  })
  const first = await pm2.start()
  await hasActions(pm2)

  await t.test('with what the service is asked for', async () => {
    const status = await typed<Status>(pm2, 'status')
    assert.deepEqual([status.state, status.pid], ['serving', first.pid])
    const reloaded = await trigger<ReloadResult>(pm2, 'reload')
    assert.equal(reloaded.outcome, 'done')
    assert.deepEqual(await typed(pm2, 'scale', '3'), { workers: 3 })
    const workers = await trigger<WorkerStatus[]>(pm2, 'workers')
    assert.deepEqual(
      workers.map(({ generation, state }) => [generation, state]),
      [
        [2, 'idle'],
        [2, 'idle'],
        [2, 'idle'],
      ],
    )
    assert.deepEqual(await trigger(pm2, 'log-level', 'debug'), { level: 'debug' })
  })

  await t.test('with usage', async () => {
    const typedWrong = await typed(pm2, 'scale')
    assert.equal(typedWrong.error.code, 'BAD_USAGE')
    assert.match(typedWrong.error.message, /^scale takes /)
    for (const [action, parameter] of [
      ['scale', '0'],
      ['log-level', 'loud'],
      ['status', 'now'],
    ] as const) {
      const { error } = await trigger(pm2, action, parameter)
      assert.equal(error.code, 'BAD_USAGE')
      assert.match(error.message, new RegExp(`^${action} takes `))
    }
    const unknown = await pm2.run('trigger', 'helloserver', 'no-such-action')
    assert.equal(unknown.status, 1)
  })

  await t.test(
    'by the bridge that a reload of pm2 has brought, and by the next primary',
    async () => {
      await pm2.do('reload', 'helloserver')
      await hasActions(pm2)
      assert.equal((await trigger<Status>(pm2, 'status')).generation, 3)
      await upgrade(first)
      const status = await trigger<Status>(pm2, 'status')
      assert.ok(status.pid !== first.pid && isAlive(status.pid))
    },
  )

  await t.test('when the reload fails', async () => {
    pm2.sandbox.configure()
    pm2.sandbox.writeApp(`throw new Error('no such table')`)
    const { outcome, reason } = await trigger<ReloadResult>(pm2, 'reload')
    assert.equal(outcome, 'failed')
    assert.match(reason ?? '', /no such table/)
    pm2.sandbox.writeApp()
  })

  await t.test('when the service is paused', async () => {
    const { pid } = await pm2.status()
    signalTo(pid, 'SIGSTOP')
    try {
      const { error } = await trigger(pm2, 'status')
      assert.match(error.message, /^No answer within 5 s/)
    } finally {
      signalTo(pid, 'SIGCONT')
    }
  })

  await t.test('when the service ends instead, and pm2 leaves a drained one ended', async () => {
    const service = await pm2.service()
    const client = await Client.connect(service.port)
    await counted(service, { active: 1 })
    const { restart_time: restarts } = (await pm2.bridge()).pm2_env
    const { length } = service.log()
    const drained = typed<{ dropped: number }>(pm2, 'drain')
    await waitFor('the drain', () => service.log().includes('"to":"waiting-for-workers"', length))
    await client.send('a\r\n')
    assert.deepEqual(await client.ending(), { how: 'end', text: 'a\r\n' })
    assert.deepEqual(await drained, { dropped: 0 })
    const { pm2_env } = await pm2.isListed('stopped')
    assert.equal(pm2_env.restart_time, restarts)
    assert.ok(!isAlive(service.pid))
    await pm2.do('start', 'helloserver')
    assert.equal((await pm2.status()).state, 'serving')
  })
})
