import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ask, Client } from '../helpers/client.ts'
import { Pm2 } from '../helpers/pm2.ts'
import { isAlive } from '../helpers/processes.ts'
import { counted, type Service } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

/** Ends the service while one connection is in hand and two are queued; all three are answered. */
async function drains(service: Service, end: () => Promise<unknown>): Promise<void> {
  const inHand = await Client.connect(service.port)
  await counted(service, { active: 1 })
  const clients = [inHand]
  for (const queued of [1, 2]) {
    const client = await Client.connect(service.port)
    clients.push(client)
    await counted(service, { active: 1, queued })
  }
  const ended = end()
  await service.sandbox.logged(/"to":"serving-queue"/)
  assert.deepEqual(await ask(service.port, ''), { how: 'refused', text: '' })
  assert.ok(isAlive(service.pid), 'the primary did not wait')
  for (const [index, client] of clients.entries()) {
    await client.send(`client ${index}\r\n`)
    assert.deepEqual(await client.ending(), { how: 'end', text: `client ${index}\r\n` })
  }
  await ended
  await waitFor('the end of the primary', () => !isAlive(service.pid))
}

describe('what ends the service under pm2 drains it first', { concurrency: 2 }, () => {
  test('pm2 stop, and pm2 start brings it back', async (t) => {
    const pm2 = new Pm2(t)
    const service = await pm2.start()
    await drains(service, () => pm2.do('stop', 'helloserver'))
    await pm2.isListed('stopped')
    await pm2.do('start', 'helloserver')
    const { pid, listen } = await pm2.status()
    assert.notEqual(pid, service.pid)
    assert.deepEqual(await ask(listen.port, 'a\r\n'), { how: 'end', text: 'a\r\n' })
  })

  test('pm2 delete', async (t) => {
    const pm2 = new Pm2(t)
    await drains(await pm2.start(), () => pm2.do('delete', 'helloserver'))
    assert.deepEqual(await pm2.processes(), [])
  })

  test('pm2 kill', async (t) => {
    const pm2 = new Pm2(t)
    await drains(await pm2.start(), () => pm2.do('kill'))
    assert.equal(pm2.daemonPid, undefined)
  })

  test('pm2 update, which brings up another primary under another pm2', async (t) => {
    const pm2 = new Pm2(t)
    const service = await pm2.start()
    const before = pm2.daemonPid
    await drains(service, () => pm2.do('update'))
    assert.notEqual(pm2.daemonPid, before)
    await pm2.isListed('online')
    const { pid } = await waitFor('another primary', () => pm2.status().catch(() => undefined))
    assert.notEqual(pid, service.pid)
  })

  test('pm2 stop while the service is still starting', async (t) => {
    const app = `import { setTimeout as delay } from 'node:timers/promises'
      export default { setup: () => delay(2000), handle() {} }`
    const pm2 = new Pm2(t, { app })
    const started = pm2.run('start', pm2.ecosystemFile)
    const { pid } = await waitFor('a primary', () => pm2.status().catch(() => undefined))
    await pm2.do('stop', 'helloserver')
    await started
    await waitFor('the end of the primary', () => !isAlive(pid))
    await pm2.isListed('stopped')
    await assert.rejects(pm2.status(), { code: 'NOT_RUNNING' })
    const { pm2_env } = await pm2.bridge()
    assert.deepEqual([pm2_env.status, pm2_env.restart_time], ['stopped', 0])
  })

  test("a drain that lasts says in pm2's log how it gets on", async (t) => {
    const pm2 = new Pm2(t)
    const service = await pm2.start()
    const client = await Client.connect(service.port)
    await counted(service, { active: 1 })
    const stopped = pm2.do('stop', 'helloserver')
    await pm2.logged(/"phase":"waiting-for-workers","queued":0,"inHand":1,.*"msg":"Draining"/)
    await client.send('a\r\n')
    assert.deepEqual(await client.ending(), { how: 'end', text: 'a\r\n' })
    await stopped
  })

  test('what takes longer than drain.timeoutMs is dropped', async (t) => {
    const pm2 = new Pm2(t, { config: { drain: { timeoutMs: 300 } } })
    const service = await pm2.start()
    const client = await Client.connect(service.port)
    await counted(service, { active: 1 })
    await pm2.do('stop', 'helloserver')
    assert.equal((await client.ending()).text, '')
    assert.ok(!isAlive(service.pid))
    await pm2.isListed('stopped')
    await pm2.logged(/"dropped":1,.*The drain took too long/)
  })
})
