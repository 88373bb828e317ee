import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ask } from '../helpers/client.ts'
import { Pm2, shipped } from '../helpers/pm2.ts'
import { isAlive } from '../helpers/processes.ts'
import { waitFor } from '../helpers/wait-for.ts'

const echoed = { how: 'end', text: 'a\r\n' }
/** Which of the warnings about settings pm2's log has. */
const warnings = (pm2: Pm2) =>
  pm2.log().match(/The ecosystem file('s [a-z_]+| needs [a-z_]+)/g) ?? []

describe("pm2's fork mode", { concurrency: 2 }, () => {
  test('without an ecosystem file: reload and restart lose nobody, stop stops', async (t) => {
    const pm2 = new Pm2(t, { config: { drain: { timeoutMs: 500 } } })
    await pm2.do('start', shipped.bridge, '--name', 'helloserver')
    const first = await waitFor('a service with its bridge', async () => {
      const status = await pm2.status().catch(() => undefined)
      return status?.supervisor.attached ? status : undefined
    })
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

    await pm2.do('stop', 'helloserver')
    await pm2.isListed('stopped')
    await waitFor('the end of the primary', () => !isAlive(pid))
    await pm2.do('start', 'helloserver')
    await waitFor('another service', () => pm2.status().catch(() => undefined))
    const { status, stderr } = await pm2.sandbox.cli('stop')
    assert.equal(status, 0, stderr)
    const { pm2_env } = await pm2.isListed('stopped')
    assert.equal(pm2_env.restart_time, 2)
  })

  test('outlives pm2, and its bridge does not', async (t) => {
    const pm2 = new Pm2(t, { entry: { exec_mode: 'fork' } })
    const { port, pid } = await pm2.start()
    assert.deepEqual(warnings(pm2), [])
    await pm2.killDaemon()
    assert.deepEqual(await ask(port, 'a\r\n'), echoed)
    await pm2.start()
    assert.equal((await pm2.status()).pid, pid)
    await pm2.do('delete', 'helloserver')
    await waitFor('the end of the primary', () => !isAlive(pid))
  })

  test('when pm2 does not say what it does, a restart is a stop and a start', async (t) => {
    const pm2 = new Pm2(t, {
      entry: { exec_mode: 'fork', env: { PM2_DAEMON_RPC_PORT: '/nowhere/rpc.sock' } },
    })
    const { pid } = await pm2.start()
    await pm2.do('restart', 'helloserver')
    await pm2.isListed('online')
    const after = await pm2.status()
    assert.deepEqual([after.generation, isAlive(pid)], [1, false])
    await pm2.do('stop', 'helloserver')
    assert.ok(!isAlive(after.pid), 'pm2 stop did not end the primary')
    await pm2.logged(/pm2 did not answer.*Cannot ask pm2 what it does/)
  })
})
