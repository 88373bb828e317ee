import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ask } from '../helpers/client.ts'
import { stop } from '../helpers/commands.ts'
import { Pm2, shipped } from '../helpers/pm2.ts'
import { isAlive } from '../helpers/processes.ts'
import { waitFor } from '../helpers/wait-for.ts'

const echoed = { how: 'end', text: 'a\r\n' }
/** Which of the warnings about settings pm2's log has. */
const warnings = (pm2: Pm2) =>
  pm2.log().match(/The ecosystem file('s [a-z_]+| needs [a-z_]+)/g) ?? []

test("pm2's fork mode", async (t) => {
  const pm2 = new Pm2(t, { config: { drain: { timeoutMs: 500 } } })

  await t.test('when pm2 does not say what it does, a restart is a stop and a start', async () => {
    pm2.describe({ exec_mode: 'fork', env: { PM2_DAEMON_RPC_PORT: '/nowhere/rpc.sock' } })
    const { pid } = await pm2.start()
    assert.deepEqual(warnings(pm2), [])
    await pm2.do('restart', 'helloserver')
    await pm2.isListed('online')
    const after = await pm2.status()
    assert.deepEqual([after.generation, isAlive(pid)], [1, false])
    await pm2.logged(/pm2 did not answer.*Cannot ask pm2 for its record/)
    await pm2.do('delete', 'helloserver')
    assert.ok(!isAlive(after.pid), 'pm2 delete did not end the primary')
  })

  await t.test('without an ecosystem file: reload and restart lose nobody', () => barely(pm2))

  await t.test('outlives pm2, and its bridge does not', async () => {
    const { pid, listen } = await pm2.status()
    await pm2.killDaemon()
    assert.deepEqual(await ask(listen.port, 'a\r\n'), echoed)
    await startBarely(pm2)
    assert.equal((await pm2.status()).pid, pid)
  })

  await t.test('stop stops, whoever is told', async () => {
    const { pid } = await pm2.status()
    await pm2.do('stop', 'helloserver')
    await pm2.isListed('stopped')
    await waitFor('the end of the primary', () => !isAlive(pid))
    await startBarely(pm2)
    const { restart_time } = (await pm2.isListed('online')).pm2_env
    await stop(pm2.sandbox)
    const { pm2_env } = await pm2.isListed('stopped')
    assert.equal(pm2_env.restart_time, restart_time)
  })
})

/** By the bridge alone, with all settings as pm2 has them. */
async function startBarely(pm2: Pm2): Promise<void> {
  await pm2.do('start', shipped.bridge, '--name', 'helloserver')
  await waitFor('a service with its bridge', async () => {
    const status = await pm2.status().catch(() => undefined)
    return status?.supervisor.attached
  })
}

async function barely(pm2: Pm2): Promise<void> {
  await startBarely(pm2)
  const first = await pm2.status()
  await pm2.logged(/needs wait_ready/)
  assert.deepEqual(warnings(pm2), [
    "The ecosystem file's kill_timeout",
    'The ecosystem file needs wait_ready',
  ])
  const load = pm2.load(first.listen.port, 2)
  let { pid } = first
  for (const command of ['reload', 'restart']) {
    await pm2.do(command, 'helloserver')
    const bridge = await pm2.isListed('online')
    const status = await waitFor(`another primary after ${command}`, async () => {
      const now = await pm2.status()
      return now.pid !== pid && now.supervisor.pid === bridge.pid ? now : undefined
    })
    assert.ok(isAlive(status.pid))
    pid = status.pid
  }
  const { asked, failures } = await load.stop()
  assert.deepEqual(failures, [], `of ${asked}`)
  assert.equal((await pm2.bridge()).pm2_env.restart_time, 2)
}
