import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import { ask } from '../helpers/client.ts'
import { Pm2, type Pm2Process } from '../helpers/pm2.ts'
import { ProgramCopy } from '../helpers/program-copy.ts'
import { waitFor } from '../helpers/wait-for.ts'

const echoed = { how: 'end', text: 'a\r\n' }

/**
 * pm2 tells a process by a message that it is to end, and that is lost while pm2 itself is still loading there:
 * now and then, in one that is started again and again. Then pm2 kills it, after this long. A reload to a bridge that
 * cannot load takes as long as pm2 listens.
 */
const entry = { kill_timeout: 5_000, listen_timeout: 5_000 }
const drain = { timeoutMs: 1_000 }

/** `pm2 restart`, which pm2 refuses while it is itself trying to start the app again. */
async function restart(pm2: Pm2): Promise<void> {
  await waitFor('pm2 restart', async () => (await pm2.run('restart', 'helloserver')).status === 0)
}

/** Waits until the service serves, under a bridge that is online. */
async function serves(pm2: Pm2): Promise<number> {
  const { listen } = await waitFor('a service that serves', async () => {
    const status = await pm2.status().catch(() => undefined)
    return status?.state === 'serving' ? status : undefined
  })
  assert.deepEqual(await ask(listen.port, 'a\r\n'), echoed)
  await pm2.isListed('online')
  return listen.port
}

/** What pm2 lists of a bridge that has failed, and said so in this line. */
async function failed(pm2: Pm2, line: RegExp): Promise<Pm2Process> {
  await pm2.logged(line)
  const bridge = await pm2.bridge()
  assert.notEqual(bridge.pm2_env.status, 'online')
  return bridge
}

/** A port that somebody listens on, until told to let it go. */
async function takenPort(t: TestContext) {
  const holder = createServer().listen(0, '127.0.0.1')
  t.after(() => void holder.close())
  const port = await waitFor('a port', () => {
    const address = holder.address()
    return typeof address === 'object' ? address?.port : undefined
  })
  return { port, release: () => void holder.close() }
}

test('a start that fails under pm2 says why', async (t) => {
  const { port, release } = await takenPort(t)
  const unloadable = /^The bridge failed to load: Error: broken release$|^ {4}at /
  const taken = new RegExp(`Cannot listen on \\S+:${port}: `)
  const broken = /failed to load: no such table/
  const bad = /workers is 0; it must be a number from 1 to 1024/
  const config = { port, drain }
  const pm2 = new Pm2(t, { config, allow: [unloadable, taken, broken, bad] })
  const program = new ProgramCopy(t)
  pm2.describe({ ...entry, script: program.bridge })

  await t.test('a bridge that cannot load is not called online', async () => {
    program.break('pm2/settings.js', 'broken release')
    await pm2.run('start', pm2.ecosystemFile)
    await pm2.logged(/^The bridge failed to load: Error: broken release$/m)
    const { pm2_env } = await waitFor('a further try', async () => {
      const bridge = await pm2.bridge()
      return bridge.pm2_env.restart_time > 0 ? bridge : undefined
    })
    assert.notEqual(pm2_env.status, 'online')
    assert.equal(pm2_env.exit_code, 1)
    program.mend()
  })

  await t.test('the port is taken', async () => {
    // pm2 goes on trying by itself.
    await failed(pm2, new RegExp(`"role":"bridge".*${taken.source}`))
    release()
    await restart(pm2)
    assert.equal(await serves(pm2), port)
  })

  await t.test('a bridge that cannot load ends no service when it is reloaded to', async () => {
    const { pid, generation } = await pm2.status()
    const old = await pm2.bridge()
    const load = pm2.load(port, 2)
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
    assert.deepEqual([status.pid, status.generation], [pid, generation])
  })

  const told = (reason: RegExp) =>
    new RegExp(`.*"role":"bridge".*${reason.source}.*Cannot bring the service up.*`, 'g')

  await t.test('the app throws while it loads', async () => {
    await pm2.isListed('online')
    await pm2.do('stop', 'helloserver')
    pm2.sandbox.writeApp(`throw new Error('no such table')`)
    await pm2.run('start', 'helloserver')
    await failed(pm2, told(broken))
  })

  await t.test('the configuration is bad: no further start is tried', async () => {
    // pm2 goes on trying until then.
    pm2.sandbox.configure({ ...config, workers: 0 })
    await pm2.logged(told(bad))
    const { pm2_env } = await pm2.isListed('stopped')
    assert.equal(pm2_env.exit_code, 78)
    pm2.sandbox.writeApp()
    pm2.sandbox.configure(config)
    await pm2.do('start', 'helloserver')
    await serves(pm2)
    assert.equal(pm2.log().match(told(bad))?.length, 1)
  })
})
