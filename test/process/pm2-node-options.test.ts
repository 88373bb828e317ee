import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { telling, told } from '../helpers/environment.ts'
import { Pm2 } from '../helpers/pm2.ts'

test("Node's options in the ecosystem file", async (t) => {
  const pm2 = new Pm2(t, { app: telling, allow: [/--allow-natives-syntax/] })
  writeFileSync(join(pm2.home, 'preload.cjs'), "process.env.PRELOADED = 'yes'\n")
  const entry = {
    cwd: pm2.home,
    node_args: '--max-old-space-size=333 --require ./preload.cjs',
    env: { NODE_OPTIONS: '--no-deprecation' },
  }
  pm2.describe(entry)
  await pm2.start()

  await t.test('reach the primary and its workers', async () => {
    const { pid, workers } = await pm2.status()
    const pids = [pid, ...workers.map((worker) => worker.pid ?? 0)]
    for (const one of pids) {
      const options = readFileSync(`/proc/${one}/environ`, 'utf8')
        .split('\0')
        .find((variable) => variable.startsWith('NODE_OPTIONS='))
      const path = join(pm2.home, 'preload.cjs')
      assert.equal(
        options,
        `NODE_OPTIONS=--no-deprecation --max-old-space-size=333 --require ${path}`,
      )
    }
    assert.deepEqual(await told(pm2, 'PRELOADED'), { PRELOADED: 'yes' })
  })

  await t.test('change at a reload of the file', async () => {
    pm2.describe({ ...entry, env: { NODE_OPTIONS: '--no-warnings' } })
    await pm2.do('reload', pm2.ecosystemFile)
    const { NODE_OPTIONS } = await told(pm2, 'NODE_OPTIONS')
    assert.match(String(NODE_OPTIONS), /^--no-warnings --max-old-space-size=333/)
  })

  await t.test('are refused by name where they could not reach the workers', async () => {
    const { pid } = await pm2.status()
    pm2.describe({ ...entry, node_args: '--allow-natives-syntax' })
    await pm2.do('reload', pm2.ecosystemFile)
    await pm2.logged(/node_args has \\"--allow-natives-syntax\\".*the old generation keeps serving/)
    assert.equal((await pm2.status()).pid, pid)
  })
})

test("Node's options that could not reach the workers keep the service from starting", async (t) => {
  const pm2 = new Pm2(t, { allow: [/--allow-natives-syntax/] })
  pm2.describe({ node_args: '--allow-natives-syntax' })
  await pm2.do('start', pm2.ecosystemFile)
  const { pm2_env: listed } = await pm2.isListed('stopped')
  assert.equal(listed.restart_time, 0)
  await pm2.logged(/node_args has \\"--allow-natives-syntax\\"/)
  // pm2's daemon was started by the same command, with the same variables.
  assert.deepEqual(
    pm2.sandbox.processes().filter((pid) => pid !== pm2.daemonPid),
    [],
  )
})
