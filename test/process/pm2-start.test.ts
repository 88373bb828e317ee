import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { ask } from '../helpers/client.ts'
import { Pm2, shipped } from '../helpers/pm2.ts'
import { isAlive } from '../helpers/processes.ts'
import { startIn } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

describe('pm2 start', { concurrency: 2 }, () => {
  test('of the shipped ecosystem file', async (t) => {
    const app = `import { setTimeout as delay } from 'node:timers/promises'
      export default {
        setup: () => delay(1500),
        handle: (connection) => connection.write('up\\r\\n'),
      }`
    const pm2 = new Pm2(t, { app })
    pm2.environment = {
      HELLOSERVER_PORT: '0',
      HELLOSERVER_WORKERS: '2',
      GREETING: 'hello',
      https_proxy: 'http://127.0.0.1:9',
    }
    pm2.folder = shipped.folder
    await t.test('brings the service up, however slow its app is', async () => {
      await pm2.do('start', 'ecosystem.config.js')
      const status = await pm2.status()
      assert.equal(status.state, 'serving')
      assert.equal(status.generation, 1)
      assert.equal(status.workers.length, 2)
      assert.deepEqual(await ask(status.listen.port, ''), { how: 'end', text: 'up\r\n' })
      const bridge = await pm2.isListed('online')
      assert.equal(bridge.name, 'helloserver')
      assert.deepEqual(status.supervisor, { attached: true, pid: bridge.pid })
      assert.doesNotMatch(pm2.log(), /The ecosystem file/)
    })
    await t.test('makes the primary a daemon with nothing of pm2 about it', () => isOnItsOwn(pm2))
    await t.test('and pm2 stop takes it down', async () => {
      const { pid } = await pm2.status()
      await pm2.do('stop', 'helloserver')
      await pm2.isListed('stopped')
      await waitFor('the end of the primary', () => !isAlive(pid))
    })
  })

  test('of a primary that runs already', async (t) => {
    const pm2 = new Pm2(t, { allow: [/Not reloading: the configuration on disk is bad/] })
    const service = await startIn(pm2.sandbox)
    const first = await service.status()

    await t.test('attaches to it, and does not reload it', async () => {
      await pm2.do('start', pm2.ecosystemFile)
      const bridge = await pm2.isListed('online')
      const { pid, generation, lastReload, supervisor } = await service.status()
      assert.deepEqual(
        { pid, generation, lastReload, supervisor },
        {
          pid: service.pid,
          generation: 1,
          lastReload: null,
          supervisor: { attached: true, pid: bridge.pid },
        },
      )
    })

    await t.test('reloads it where its configuration is another one', async () => {
      pm2.sandbox.configure({ workers: 2 })
      await startAgain(pm2)
      const { pid, generation, workers, lastReload } = await service.status()
      assert.deepEqual({ pid, generation }, { pid: service.pid, generation: 2 })
      assert.equal(workers.filter((worker) => worker.generation === 2).length, 2)
      assert.equal(lastReload?.outcome, 'done')
      await pm2.logged(/Reloading \(another configuration\)/)
    })

    await t.test('reloads it where its build is another one', async () => {
      pm2.sandbox.writeApp(
        `export default { handle: (connection) => connection.write('new\\r\\n') }`,
      )
      await startAgain(pm2)
      const { pid, generation, build } = await service.status()
      assert.deepEqual({ pid, generation }, { pid: service.pid, generation: 3 })
      assert.notEqual(build, first.build)
      assert.deepEqual(await ask(service.port, ''), { how: 'end', text: 'new\r\n' })
      await pm2.logged(/Reloading \(another build\)/)
    })

    await t.test('lets it go on as it is where the configuration on disk is bad', async () => {
      pm2.sandbox.configure({ workers: 'many' })
      await startAgain(pm2)
      await pm2.isListed('online')
      await pm2.logged(/workers is \\"many\\"; it must be .*Not reloading/)
      const { pid, generation } = await service.status()
      assert.deepEqual({ pid, generation }, { pid: service.pid, generation: 3 })
      assert.deepEqual(await ask(service.port, ''), { how: 'end', text: 'new\r\n' })
    })

    await t.test('makes it one that pm2 stop ends', async () => {
      await pm2.do('stop', 'helloserver')
      assert.ok(!isAlive(service.pid), 'the primary outlived pm2 stop')
    })
  })
})

/** The death of pm2 leaves the primary alone; the next pm2 finds it. */
async function startAgain(pm2: Pm2): Promise<void> {
  await pm2.killDaemon()
  await pm2.do('start', pm2.ecosystemFile)
}

async function isOnItsOwn(pm2: Pm2): Promise<void> {
  const { pid } = await pm2.status()
  const bridge = await pm2.bridge()
  const { parent, session } = statOf(pid)
  assert.ok(![bridge.pid, pm2.daemonPid].includes(parent), 'the primary is a child of pm2')
  assert.notEqual(session, statOf(bridge.pid).session)
  assert.notEqual(session, statOf(process.pid).session)
  assert.doesNotMatch(readFileSync(`/proc/${parent}/cmdline`, 'utf8'), /^(node|sh|\/bin\/sh|PM2)/)
  const variables = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').slice(0, -1)
  const keys = variables.map((variable) => variable.split('=')[0] ?? '')
  const foreign = /^(pm_|PM2_|axm_|NODE_APP_INSTANCE$|NODE_CHANNEL_|NODE_UNIQUE_ID$)/
  const record = /^(name|status|unique_id|exec_mode|kill_timeout|env|args)$/
  assert.deepEqual(
    keys.filter((key) => foreign.test(key) || record.test(key)),
    [],
  )
  assert.ok(keys.includes('PATH'))
  assert.ok(variables.includes('GREETING=hello'))
  assert.ok(variables.includes('https_proxy=http://127.0.0.1:9'))
}

/** Parent and session of a process (proc_pid_stat(5)). */
function statOf(pid: number): { parent: number; session: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return { parent: Number(fields[1]), session: Number(fields[3]) }
}
