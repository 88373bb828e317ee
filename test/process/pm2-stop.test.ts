import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ask, Client } from '../helpers/client.ts'
import { Pm2 } from '../helpers/pm2.ts'
import { isAlive } from '../helpers/processes.ts'
import { counted, type Service } from '../helpers/service.ts'
import { hesitant } from '../helpers/upgrade.ts'
import { waitFor } from '../helpers/wait-for.ts'

const echoed = { how: 'end', text: 'a\r\n' }

/**
 * Ends the service while one connection is in hand and two are queued; all three are answered.
 *
 * @param meanwhile - what else must be while the service waits for them
 */
async function drains(
  service: Service,
  end: () => Promise<unknown>,
  meanwhile = async () => {},
): Promise<void> {
  const inHand = await Client.connect(service.port)
  await counted(service, { active: 1 })
  const clients = [inHand]
  for (const queued of [1, 2]) {
    const client = await Client.connect(service.port)
    clients.push(client)
    await counted(service, { active: 1, queued })
  }
  // The log has the drains of the services before.
  const { length } = service.log()
  const isLogged = (to: string) => () => service.log().includes(`"to":"${to}"`, length)
  const ended = end()
  await waitFor('the drain', isLogged('serving-queue'))
  assert.deepEqual(await ask(service.port, ''), { how: 'refused', text: '' })
  assert.ok(isAlive(service.pid), 'the primary did not wait')
  await meanwhile()
  for (const [index, client] of clients.entries()) {
    await client.send(`client ${index}\r\n`)
    assert.deepEqual(await client.ending(), { how: 'end', text: `client ${index}\r\n` })
  }
  await ended
  await waitFor('the end of the primary', () => !isAlive(service.pid))
}

test('an end of the service under pm2 drains it first', async (t) => {
  const pm2 = new Pm2(t, { app: hesitant })

  await t.test('pm2 stop while the service is still starting', async () => {
    pm2.sandbox.mark()
    const started = pm2.run('start', pm2.ecosystemFile)
    const { pid } = await waitFor('a primary', () => pm2.status().catch(() => undefined))
    const stopped = pm2.do('stop', 'helloserver')
    // The stop waits for the start.
    await pm2.isListed('stopping')
    pm2.sandbox.unmark()
    await Promise.all([stopped, started])
    await waitFor('the end of the primary', () => !isAlive(pid))
    const { pm2_env } = await pm2.isListed('stopped')
    assert.equal(pm2_env.restart_time, 0)
    await assert.rejects(pm2.status(), { code: 'NOT_RUNNING' })
  })

  await t.test(
    'pm2 stop, while which pm2 logs how it gets on; pm2 start brings it back',
    async () => {
      await pm2.do('start', 'helloserver')
      const service = await pm2.service()
      const progress = /"phase":"serving-queue","queued":2,"inHand":1,.*"msg":"Draining"/
      await drains(
        service,
        () => pm2.do('stop', 'helloserver'),
        async () => void (await pm2.logged(progress)),
      )
      await pm2.isListed('stopped')
      pm2.sandbox.configure({ drain: { timeoutMs: 300 } })
      await pm2.do('start', 'helloserver')
      const { pid, listen } = await pm2.status()
      assert.notEqual(pid, service.pid)
      assert.deepEqual(await ask(listen.port, 'a\r\n'), echoed)
    },
  )

  await t.test('connections that take longer than drain.timeoutMs are dropped', async () => {
    const service = await pm2.service()
    const client = await Client.connect(service.port)
    await counted(service, { active: 1 })
    await pm2.do('stop', 'helloserver')
    assert.equal((await client.ending()).text, '')
    assert.ok(!isAlive(service.pid))
    await pm2.isListed('stopped')
    await pm2.logged(/"dropped":1,.*The drain took too long/)
    pm2.sandbox.configure()
  })

  await t.test('pm2 update, which brings up another primary under another pm2', async () => {
    await pm2.do('start', 'helloserver')
    const service = await pm2.service()
    const before = pm2.daemonPid
    await drains(service, () => pm2.do('update'))
    assert.notEqual(pm2.daemonPid, before)
    await pm2.isListed('online')
    const { pid } = await waitFor('another primary', () => pm2.status().catch(() => undefined))
    assert.notEqual(pid, service.pid)
  })

  await t.test('pm2 delete', async () => {
    await drains(await pm2.service(), () => pm2.do('delete', 'helloserver'))
    assert.deepEqual(await pm2.processes(), [])
  })

  await t.test('pm2 kill', async () => {
    await drains(await pm2.start(), () => pm2.do('kill'))
    assert.equal(pm2.daemonPid, undefined)
  })
})
