import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { telling, told } from '../helpers/environment.ts'
import { Pm2 } from '../helpers/pm2.ts'
import { waitFor } from '../helpers/wait-for.ts'

/** Variables of the test's own, in every style. */
const styles = {
  GREETING: 'hello',
  greeting: 'hello',
  databaseUrl: 'x://y',
  port: '7',
  'database:host': 'db',
  'my.setting-2': 'on',
}

test("the ecosystem file's env, under pm2", async (t) => {
  const pm2 = new Pm2(t, { app: telling, config: { workers: 2 } })
  const entry = { env: styles, env_production: { GREETING: 'good day' } }
  pm2.describe(entry)
  await pm2.start()
  const load = pm2.load((await pm2.status()).listen.port, 2)

  await t.test('reaches the app at start, in every style', async () => {
    assert.deepEqual(await told(pm2, ...Object.keys(styles)), styles)
  })

  await t.test("pm2's own variables and those of its channel do not", async () => {
    const names = ['pm_id', 'pm_exec_path', 'status', 'NODE_CHANNEL_FD', 'PM2_HOME', 'unique_id']
    const found = await told(pm2, ...names)
    assert.ok(
      Object.values(found).every((value) => value === null),
      JSON.stringify(found),
    )
  })

  await reaches(t, pm2, 'at a reload of the file', async () => {
    pm2.describe({ ...entry, env: { ...styles, greeting: 'at a reload of the file' } })
    await pm2.do('reload', pm2.ecosystemFile)
  })
  await reaches(t, pm2, 'at a reload with --update-env', async () => {
    pm2.environment = { greeting: 'at a reload with --update-env' }
    await pm2.do('reload', 'helloserver', '--update-env')
    pm2.environment = {}
  })
  await reaches(t, pm2, 'at a restart', async () => {
    pm2.describe({ ...entry, env: { ...styles, greeting: 'at a restart' } })
    await pm2.do('restart', pm2.ecosystemFile)
    await pm2.isListed('online')
  })

  await t.test('stays at a reload by name, which replaces the workers alone', async () => {
    const { pid, generation } = await pm2.status()
    await pm2.do('reload', 'helloserver')
    const status = await pm2.status()
    assert.deepEqual([status.pid, status.generation], [pid, generation + 1])
    assert.deepEqual(await told(pm2, 'greeting'), { greeting: 'at a restart' })
  })

  await t.test('stays at an upgrade and a reload by hand', async () => {
    for (const command of ['upgrade', 'reload']) {
      const { status, stderr } = await pm2.sandbox.cli(command)
      assert.equal(status, 0, stderr)
      assert.deepEqual(await told(pm2, 'greeting'), { greeting: 'at a restart' })
    }
  })

  await t.test('its env_production counts with --env production', async () => {
    await pm2.do('reload', pm2.ecosystemFile, '--env', 'production')
    assert.deepEqual(await told(pm2, 'GREETING'), { GREETING: 'good day' })
  })

  await t.test('costs nobody a connection', async () => {
    const { asked, failures } = await load.stop()
    assert.deepEqual(failures, [], `of ${asked}`)
  })
})

async function reaches(
  t: TestContext,
  pm2: Pm2,
  when: string,
  deploy: () => Promise<void>,
): Promise<void> {
  await t.test(`reaches the app ${when}`, async () => {
    await deploy()
    await saysGreeting(pm2, when)
  })
}

/** A restart, by pm2's own account, is over before the next bridge has come. */
async function saysGreeting(pm2: Pm2, greeting: string): Promise<void> {
  await waitFor(`"${greeting}" in the app`, async () => {
    const now = await told(pm2, 'greeting').catch(() => undefined)
    return now?.['greeting'] === greeting
  })
}

test('secrets of the environment are in no log, and not in the status', async (t) => {
  const pm2 = new Pm2(t, { app: telling })
  pm2.describe({ env: { PASSWORD: 'first-secret' } })
  await pm2.start()
  pm2.describe({ env: { PASSWORD: 'second-secret' } })
  await pm2.do('reload', pm2.ecosystemFile)
  assert.deepEqual(await told(pm2, 'PASSWORD'), { PASSWORD: 'second-secret' })
  const shown = [JSON.stringify(await pm2.status()), pm2.log(), pm2.sandbox.log()].join('\n')
  assert.doesNotMatch(shown, /-secret/)
})

test('a bridge that comes back finds the same environment, and replaces nothing', async (t) => {
  const pm2 = new Pm2(t, { app: telling })
  pm2.describe({ env: styles })
  const { pid } = await pm2.start()
  const { generation } = await pm2.status()
  await pm2.killDaemon()
  await pm2.start()
  const status = await pm2.status()
  assert.deepEqual([status.pid, status.generation], [pid, generation])

  await t.test('and another environment, with which the primary is replaced', async () => {
    await pm2.killDaemon()
    pm2.describe({ env: { ...styles, greeting: 'another' } })
    await pm2.start()
    await saysGreeting(pm2, 'another')
  })
})
