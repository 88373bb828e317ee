import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { ask } from '../helpers/client.ts'
import { Pm2, shipped } from '../helpers/pm2.ts'
import { isAlive } from '../helpers/processes.ts'
import { startIn } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

const echoed = { how: 'end', text: 'a\r\n' }

describe('pm2 start', { concurrency: 2 }, () => {
  test('the shipped ecosystem file brings the service up and takes it down', async (t) => {
    const pm2 = new Pm2(t)
    pm2.environment = { HELLOSERVER_PORT: '0', HELLOSERVER_WORKERS: '2' }
    pm2.folder = shipped.folder
    await pm2.do('start', 'ecosystem.config.js')
    const bridge = await pm2.isListed('online')
    const status = await pm2.status()
    assert.equal(bridge.name, 'helloserver')
    assert.equal(status.state, 'serving')
    assert.equal(status.generation, 1)
    assert.equal(status.workers.length, 2)
    assert.deepEqual(status.supervisor, { attached: true, pid: bridge.pid })
    assert.deepEqual(await ask(status.listen.port, 'a\r\n'), echoed)
    assert.doesNotMatch(pm2.log(), /The ecosystem file/)
    await pm2.do('stop', 'helloserver')
    await pm2.isListed('stopped')
    await waitFor('the end of the primary', () => !isAlive(status.pid))
  })

  test('the service is up when the command returns, however slow its app is', async (t) => {
    const app = `import { setTimeout as delay } from 'node:timers/promises'
      export default {
        setup: () => delay(1500),
        handle: (connection) => connection.write('up\\r\\n'),
      }`
    const pm2 = new Pm2(t, { app })
    const { port } = await pm2.start()
    assert.deepEqual(await ask(port, ''), { how: 'end', text: 'up\r\n' })
  })

  test('the primary is a daemon with nothing of pm2 about it', async (t) => {
    const pm2 = new Pm2(t)
    pm2.environment = { GREETING: 'hello', https_proxy: 'http://127.0.0.1:9' }
    const { pid } = await pm2.start()
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
  })

  test('a primary that runs already is attached to, not reloaded', async (t) => {
    const pm2 = new Pm2(t)
    const service = await startIn(pm2.sandbox)
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
    await pm2.do('stop', 'helloserver')
    assert.ok(!isAlive(service.pid), 'the primary outlived pm2 stop')
  })

  test('a primary that runs with another configuration is reloaded', async (t) => {
    const pm2 = new Pm2(t)
    const service = await startIn(pm2.sandbox)
    pm2.sandbox.configure({ workers: 2 })
    await pm2.do('start', pm2.ecosystemFile)
    const { pid, generation, workers, lastReload } = await service.status()
    assert.deepEqual({ pid, generation }, { pid: service.pid, generation: 2 })
    assert.equal(workers.filter((worker) => worker.generation === 2).length, 2)
    assert.equal(lastReload?.outcome, 'done')
    await pm2.logged(/Reloading \(another configuration\)/)
  })

  test('a primary that runs another build is reloaded', async (t) => {
    const pm2 = new Pm2(t)
    const service = await startIn(pm2.sandbox)
    const before = await service.status()
    pm2.sandbox.writeApp(`export default { handle: (connection) => connection.write('new\\r\\n') }`)
    await pm2.do('start', pm2.ecosystemFile)
    const { pid, generation, build } = await service.status()
    assert.deepEqual({ pid, generation }, { pid: service.pid, generation: 2 })
    assert.notEqual(build, before.build)
    assert.deepEqual(await ask(service.port, ''), { how: 'end', text: 'new\r\n' })
    await pm2.logged(/Reloading \(another build\)/)
  })

  test('a primary that runs while the configuration on disk is bad goes on as it is', async (t) => {
    const pm2 = new Pm2(t, { allow: [/Not reloading: the configuration on disk is bad/] })
    const service = await startIn(pm2.sandbox)
    pm2.sandbox.configure({ workers: 'many' })
    await pm2.do('start', pm2.ecosystemFile)
    await pm2.isListed('online')
    await pm2.logged(/workers is \\"many\\"; it must be .*Not reloading/)
    const { pid, generation } = await service.status()
    assert.deepEqual({ pid, generation }, { pid: service.pid, generation: 1 })
    assert.deepEqual(await ask(service.port, 'a\r\n'), echoed)
  })
})

/** Parent and session of a process (proc_pid_stat(5)). */
function statOf(pid: number): { parent: number; session: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return { parent: Number(fields[1]), session: Number(fields[3]) }
}
