import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ask, Client } from '../helpers/client.ts'
import { Pm2 } from '../helpers/pm2.ts'
import { isAlive } from '../helpers/processes.ts'
import { counted } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

const echoed = { how: 'end', text: 'a\r\n' }

describe('pm2 sendSignal reaches the primary', { concurrency: 2 }, () => {
  test('SIGHUP reloads', async (t) => {
    const pm2 = new Pm2(t)
    const { port, pid } = await pm2.start()
    const before = await pm2.bridge()
    pm2.sandbox.configure({ workers: 2 })
    await pm2.do('sendSignal', 'SIGHUP', 'helloserver')
    const status = await waitFor('the reload', async () => {
      const now = await pm2.status()
      return now.lastReload === null ? undefined : now
    })
    assert.deepEqual({ pid: status.pid, generation: status.generation }, { pid, generation: 2 })
    assert.deepEqual(await ask(port, 'a\r\n'), echoed)
    const after = await pm2.bridge()
    assert.deepEqual([after.pid, after.pm2_env.status], [before.pid, 'online'])
  })

  test('SIGUSR1 drains, and pm2 does not start the service again', async (t) => {
    const pm2 = new Pm2(t)
    const service = await pm2.start()
    const client = await Client.connect(service.port)
    await counted(service, { active: 1 })
    await pm2.do('sendSignal', 'SIGUSR1', 'helloserver')
    await pm2.sandbox.logged(/"kind":"draining"/)
    await client.send('a\r\n')
    assert.deepEqual(await client.ending(), echoed)
    await waitFor('the end of the primary', () => !isAlive(service.pid))
    const { pm2_env } = await pm2.isListed('stopped')
    assert.deepEqual([pm2_env.exit_code, pm2_env.restart_time], [3, 0])
    await pm2.do('start', 'helloserver')
    assert.notEqual((await pm2.status()).pid, service.pid)
  })

  test('SIGTERM ends it at once, and pm2 does not start it again', async (t) => {
    const pm2 = new Pm2(t)
    const service = await pm2.start()
    const client = await Client.connect(service.port)
    await counted(service, { active: 1 })
    await pm2.do('sendSignal', 'SIGTERM', 'helloserver')
    assert.equal((await client.ending()).text, '')
    await waitFor('the end of the primary', () => !isAlive(service.pid))
    const { pm2_env } = await pm2.isListed('stopped')
    assert.deepEqual([pm2_env.exit_code, pm2_env.restart_time], [3, 0])
  })

  test('SIGUSR2 replaces the primary, and the bridge follows', async (t) => {
    const pm2 = new Pm2(t)
    const { port, pid } = await pm2.start()
    const before = await pm2.bridge()
    await pm2.do('sendSignal', 'SIGUSR2', 'helloserver')
    const status = await waitFor('the bridge at the successor', async () => {
      const now = await pm2.status()
      return now.pid !== pid && now.supervisor.attached ? now : undefined
    })
    assert.equal(status.supervisor.pid, before.pid)
    await waitFor('the end of the predecessor', () => !isAlive(pid))
    assert.equal((await pm2.bridge()).pid, before.pid)
    assert.deepEqual(await ask(port, 'a\r\n'), echoed)
  })
})

describe('the service is ended behind the back of pm2', { concurrency: 2 }, () => {
  test('helloserver stop drains, and pm2 lists it as stopped', async (t) => {
    const pm2 = new Pm2(t)
    const service = await pm2.start()
    const { status, stderr } = await pm2.sandbox.cli('stop')
    assert.equal(status, 0, stderr)
    assert.ok(!isAlive(service.pid))
    const { pm2_env } = await pm2.isListed('stopped')
    assert.deepEqual([pm2_env.exit_code, pm2_env.restart_time], [3, 0])
    await pm2.do('restart', 'helloserver')
    assert.equal((await pm2.status()).state, 'serving')
  })
})
