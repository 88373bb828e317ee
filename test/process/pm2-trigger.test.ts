import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ReloadResult, Status, WorkerStatus } from '../../src/status.ts'
import { Client } from '../helpers/client.ts'
import { Pm2 } from '../helpers/pm2.ts'
import { tryUpgrade } from '../helpers/commands.ts'
import { isAlive, signalTo } from '../helpers/processes.ts'
import { counted } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

interface Failure {
  readonly error: { readonly code: string; readonly message: string }
}

/** Runs `pm2 trigger`, which ends only when it is answered, and returns the answer. */
async function trigger<T = Failure>(pm2: Pm2, ...words: string[]): Promise<T> {
  const { status, stdout } = await pm2.run('trigger', 'helloserver', ...words)
  const [, json] = stdout.match(/^\[helloserver:0:default\]=(.*)$/m) ?? []
  assert.ok(status === 0 && json !== undefined, stdout)
  return JSON.parse(json) as T
}

/** Starts the service; its actions are there when its figures are. */
async function started(pm2: Pm2) {
  const service = await pm2.start()
  await waitFor('figures', async () => (await pm2.bridge()).pm2_env.axm_monitor['Now'])
  return service
}

describe('pm2 trigger is answered', { concurrency: 2 }, () => {
  test('with what the service is asked for, and with usage', async (t) => {
    const pm2 = new Pm2(t, { config: { workers: 2 } })
    const service = await started(pm2)
    const status = await trigger<Status>(pm2, 'status')
    assert.deepEqual([status.state, status.pid], ['serving', service.pid])
    const reloaded = await trigger<ReloadResult>(pm2, 'reload')
    assert.equal(reloaded.outcome, 'done')
    assert.deepEqual(await trigger(pm2, 'scale', '3'), { workers: 3 })
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
    for (const words of [['scale'], ['scale', '0'], ['log-level', 'loud'], ['status', 'now']]) {
      const { error } = await trigger(pm2, ...words)
      assert.equal(error.code, 'BAD_USAGE')
      assert.match(error.message, new RegExp(`^${words[0]} takes `))
    }
    const unknown = await pm2.run('trigger', 'helloserver', 'no-such-action')
    assert.equal(unknown.status, 1)
  })

  test('by the bridge that a reload of pm2 has brought, and by the next primary', async (t) => {
    const pm2 = new Pm2(t)
    const { pid } = await started(pm2)
    await pm2.do('reload', 'helloserver')
    await waitFor('figures', async () => (await pm2.bridge()).pm2_env.axm_monitor['Now'])
    assert.equal((await trigger<Status>(pm2, 'status')).generation, 2)
    assert.equal((await tryUpgrade(pm2.sandbox)).outcome, 'done')
    const status = await trigger<Status>(pm2, 'status')
    assert.ok(status.pid !== pid && isAlive(status.pid))
  })

  test('when the reload fails', async (t) => {
    const pm2 = new Pm2(t, { allow: [/failed to load: no such table/] })
    await started(pm2)
    pm2.sandbox.writeApp(`throw new Error('no such table')`)
    const { outcome, reason } = await trigger<ReloadResult>(pm2, 'reload')
    assert.equal(outcome, 'failed')
    assert.match(reason ?? '', /no such table/)
  })

  test('when the service is paused', async (t) => {
    const pm2 = new Pm2(t)
    const { pid } = await started(pm2)
    signalTo(pid, 'SIGSTOP')
    const { error } = await trigger(pm2, 'status')
    signalTo(pid, 'SIGCONT')
    assert.match(error.message, /^No answer within 5 s/)
  })

  test('when the service ends instead, and pm2 leaves a drained one ended', async (t) => {
    const pm2 = new Pm2(t)
    const service = await started(pm2)
    const client = await Client.connect(service.port)
    await counted(service, { active: 1 })
    const drained = trigger<{ dropped: number }>(pm2, 'drain')
    await service.sandbox.logged(/"to":"waiting-for-workers"/)
    await client.send('a\r\n')
    assert.deepEqual(await client.ending(), { how: 'end', text: 'a\r\n' })
    assert.deepEqual(await drained, { dropped: 0 })
    const { pm2_env } = await pm2.isListed('stopped')
    assert.equal(pm2_env.restart_time, 0)
    assert.ok(!isAlive(service.pid))
    await pm2.do('start', 'helloserver')
    assert.equal((await pm2.status()).state, 'serving')
  })
})
