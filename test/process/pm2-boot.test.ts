import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { describe, test } from 'node:test'
import { ask } from '../helpers/client.ts'
import { Pm2 } from '../helpers/pm2.ts'
import { ProgramCopy } from '../helpers/program-copy.ts'
import { waitFor } from '../helpers/wait-for.ts'

const echoed = { how: 'end', text: 'a\r\n' }

/**
 * pm2 tells a process by a message that it is to end, and that is lost while pm2 itself is still loading there:
 * now and then, in one that is started again and again. Then pm2 kills it, after this long.
 */
const entry = { kill_timeout: 5_000 }
const drain = { timeoutMs: 1_000 }

/** `pm2 restart`, which pm2 refuses while it is itself trying to start the app again. */
async function restart(pm2: Pm2): Promise<void> {
  await waitFor('pm2 restart', async () => (await pm2.run('restart', 'helloserver')).status === 0)
}

/** Waits until the service serves. */
async function serves(pm2: Pm2): Promise<number> {
  const { listen } = await waitFor('a service that serves', async () => {
    const status = await pm2.status().catch(() => undefined)
    return status?.state === 'serving' ? status : undefined
  })
  assert.deepEqual(await ask(listen.port, 'a\r\n'), echoed)
  return listen.port
}

describe('a start that fails under pm2 says why', { concurrency: 2 }, () => {
  test('the port is taken', async (t) => {
    const holder = createServer().listen(0, '127.0.0.1')
    t.after(() => void holder.close())
    const port = await waitFor('a port', () => {
      const address = holder.address()
      return typeof address === 'object' ? address?.port : undefined
    })
    const reason = new RegExp(`Cannot listen on \\S+:${port}: `)
    const pm2 = new Pm2(t, { config: { port, drain }, entry, allow: [reason] })
    await pm2.run('start', pm2.ecosystemFile)
    await pm2.logged(new RegExp(`"role":"bridge".*${reason.source}`))
    assert.notEqual((await pm2.bridge()).pm2_env.status, 'online')
    holder.close()
    await restart(pm2)
    assert.equal(await serves(pm2), port)
    await pm2.isListed('online')
  })

  test('the configuration is bad: no further start is tried', async (t) => {
    const reason = /workers is 0; it must be a number from 1 to 1024/
    const pm2 = new Pm2(t, { config: { workers: 0 }, allow: [reason] })
    await pm2.run('start', pm2.ecosystemFile)
    const { pm2_env } = await pm2.isListed('stopped')
    assert.deepEqual([pm2_env.exit_code, pm2_env.restart_time], [78, 0])
    assert.match(await pm2.logged(/.*"role":"bridge".*Cannot bring the service up.*/), reason)
    pm2.sandbox.configure()
    await pm2.do('start', 'helloserver')
    await serves(pm2)
    await pm2.isListed('online')
  })

  test('the app throws while it loads', async (t) => {
    const reason = /failed to load: no such table/
    const app = `throw new Error('no such table')`
    const pm2 = new Pm2(t, { app, config: { drain }, entry, allow: [reason] })
    await pm2.run('start', pm2.ecosystemFile)
    assert.match(await pm2.logged(/.*"role":"bridge".*Cannot bring the service up.*/), reason)
    assert.notEqual((await pm2.bridge()).pm2_env.status, 'online')
    pm2.sandbox.writeApp()
    await restart(pm2)
    await serves(pm2)
    await pm2.isListed('online')
  })
})

describe('a bridge that cannot load', { concurrency: 2 }, () => {
  const problem = /^The bridge failed to load: Error: broken release$|^ {4}at /

  test('is not called online', async (t) => {
    const pm2 = new Pm2(t, { config: { drain }, allow: [problem] })
    const program = new ProgramCopy(t)
    program.break('pm2/settings.js', 'broken release')
    pm2.describe({ ...entry, script: program.bridge })
    await pm2.run('start', pm2.ecosystemFile)
    await pm2.logged(/^The bridge failed to load: Error: broken release$/m)
    const { pm2_env } = await waitFor('a further try', async () => {
      const bridge = await pm2.bridge()
      return bridge.pm2_env.restart_time > 0 ? bridge : undefined
    })
    assert.notEqual(pm2_env.status, 'online')
    assert.equal(pm2_env.exit_code, 1)
    program.mend()
    await restart(pm2)
    await serves(pm2)
  })

  test('ends no service when it is reloaded to', async (t) => {
    const pm2 = new Pm2(t, { allow: [problem] })
    const program = new ProgramCopy(t)
    pm2.describe({ script: program.bridge, listen_timeout: 2_000 })
    const { port, pid } = await pm2.start()
    const old = await pm2.bridge()
    const load = pm2.load(port, 4)
    program.break('pm2/settings.js', 'broken release')
    await pm2.run('reload', 'helloserver')
    await waitFor('the end of the old bridge', async () => {
      const { supervisor } = await pm2.status()
      return supervisor.pid !== old.pid
    })
    program.mend()
    await waitFor('another bridge', async () => (await pm2.status()).supervisor.attached)
    assert.deepEqual((await load.stop()).failures, [])
    const status = await pm2.status()
    assert.deepEqual({ pid: status.pid, generation: status.generation }, { pid, generation: 1 })
  })
})
