import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pm2 } from '../helpers/pm2.ts'
import { isAlive } from '../helpers/processes.ts'
import { waitFor } from '../helpers/wait-for.ts'

test('of two pm2 daemons, the one that comes later has the service, and the other one stops for good', async (t) => {
  // Ended first, for the service is in the sandbox of the one.
  const other = new Pm2(t)
  const one = new Pm2(t)
  other.environment = {
    HELLOSERVER_RUN_DIR: one.sandbox.runDir,
    HELLOSERVER_CONFIG: one.sandbox.configFile,
  }
  const { pid } = await one.start()
  for (const [later, before] of [
    [other, one],
    [one, other],
  ] as const) {
    const superseded = await before.bridge()
    await later.do('start', later.ecosystemFile)
    const { pm2_env } = await before.isListed('stopped')
    assert.ok(!isAlive(superseded.pid))
    assert.deepEqual(pm2_env.axm_monitor, {})
    const bridge = await later.isListed('online')
    await before.logged(
      new RegExp(`Another bridge \\(process ${bridge.pid}\\).* supervises .* now.*stops for good`),
    )
    await waitFor('the later bridge at the service', async () => {
      const { supervisor } = await one.status()
      return supervisor.pid === bridge.pid
    })
    assert.equal((await before.bridge()).pm2_env.status, 'stopped')
  }
  assert.equal((await one.status()).pid, pid)
  // It has no say any more.
  await other.do('stop', 'helloserver')
  await other.do('delete', 'helloserver')
  assert.ok(isAlive(pid))
  await one.do('stop', 'helloserver')
  assert.ok(!isAlive(pid))
})
