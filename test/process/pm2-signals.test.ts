import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ask, Client } from '../helpers/client.ts'
import { stop } from '../helpers/commands.ts'
import { Pm2 } from '../helpers/pm2.ts'
import { isAlive } from '../helpers/processes.ts'
import { counted } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

const echoed = { how: 'end', text: 'a\r\n' }

/** A client whom a worker of the service that runs now has in hand. */
async function inHand(pm2: Pm2) {
  const service = await pm2.service()
  const client = await Client.connect(service.port)
  await counted(service, { active: 1 })
  return { service, client }
}

/** Waits until pm2 has left the app stopped, for the service was ended on purpose. */
async function isLeftStopped(pm2: Pm2, restarts: number): Promise<void> {
  const { pm2_env } = await pm2.isListed('stopped')
  assert.deepEqual([pm2_env.exit_code, pm2_env.restart_time], [3, restarts])
}

test('pm2 sendSignal reaches the primary', async (t) => {
  const pm2 = new Pm2(t)
  const { port, pid } = await pm2.start()
  const bridge = await pm2.bridge()

  await t.test('SIGHUP reloads', async () => {
    pm2.sandbox.configure({ workers: 2 })
    await pm2.do('sendSignal', 'SIGHUP', 'helloserver')
    const status = await waitFor('the reload', async () => {
      const now = await pm2.status()
      return now.lastReload === null ? undefined : now
    })
    assert.deepEqual([status.pid, status.generation], [pid, 2])
    assert.deepEqual(await ask(port, 'a\r\n'), echoed)
    const after = await pm2.bridge()
    assert.deepEqual([after.pid, after.pm2_env.status], [bridge.pid, 'online'])
    pm2.sandbox.configure()
  })

  await t.test('SIGUSR2 replaces the primary, and the bridge follows', async () => {
    await pm2.signal('SIGUSR2')
    const status = await waitFor('the bridge at the successor', async () => {
      const now = await pm2.status()
      return now.pid !== pid && now.supervisor.attached ? now : undefined
    })
    assert.equal(status.supervisor.pid, bridge.pid)
    await waitFor('the end of the predecessor', () => !isAlive(pid))
    assert.equal((await pm2.bridge()).pid, bridge.pid)
    assert.deepEqual(await ask(port, 'a\r\n'), echoed)
  })

  await t.test('SIGUSR1 drains, and pm2 does not start the service again', async () => {
    const { service, client } = await inHand(pm2)
    const { length } = pm2.sandbox.log()
    await pm2.signal('SIGUSR1')
    await waitFor('the drain', () => pm2.sandbox.log().includes('"kind":"draining"', length))
    await client.send('a\r\n')
    assert.deepEqual(await client.ending(), echoed)
    await waitFor('the end of the primary', () => !isAlive(service.pid))
    await isLeftStopped(pm2, 0)
    await pm2.do('start', 'helloserver')
    assert.notEqual((await pm2.status()).pid, service.pid)
  })

  await t.test('behind the back of pm2, helloserver stop drains, and is left stopped', async () => {
    const { service, client } = await inHand(pm2)
    const { restart_time: restarts } = (await pm2.bridge()).pm2_env
    const stopped = stop(pm2.sandbox)
    await client.send('a\r\n')
    assert.deepEqual(await client.ending(), echoed)
    await stopped
    assert.ok(!isAlive(service.pid))
    await isLeftStopped(pm2, restarts)
    await pm2.do('restart', 'helloserver')
    assert.equal((await pm2.status()).state, 'serving')
  })

  await t.test('SIGTERM ends it at once, and pm2 does not start it again', async () => {
    const { service, client } = await inHand(pm2)
    const { restart_time: restarts } = (await pm2.bridge()).pm2_env
    await pm2.signal('SIGTERM')
    assert.equal((await client.ending()).text, '')
    await waitFor('the end of the primary', () => !isAlive(service.pid))
    await isLeftStopped(pm2, restarts)
  })
})
