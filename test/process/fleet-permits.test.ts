import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Client } from '../helpers/client.ts'
import { reload, upgrade } from '../helpers/commands.ts'
import { fleetOf, memberConfig, startFleet } from '../helpers/fleet.ts'
import { RedisServer } from '../helpers/redis/server.ts'
import { counted, type Service, startIn } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

const names = ['web1', 'web2', 'web3']
type Three = [Service, Service, Service]

/** Takes its time to end. */
const slow = `import { setTimeout as delay } from 'node:timers/promises'
export default {
  async handle(connection) { await connection.write('hello') },
  async teardown() { await delay(300) },
}`

/** Has a client in hand, so that a stop takes as long as the test wants. */
async function occupied(service: Service): Promise<Client> {
  const client = await Client.connect(service.port)
  await counted(service, { active: 1 })
  return client
}

describe('permits of the fleet', { concurrency: 2 }, () => {
  test('three hosts that are all told to restart are down one at a time', async (t) => {
    const redis = await RedisServer.start(t)
    const services = await startFleet(t, redis, names, { app: slow })
    const watch = new AbortController()
    const restarted = Promise.all(services.map((service) => service.cli('restart'))).finally(() =>
      watch.abort(),
    )
    let most = 0
    while (!watch.signal.aborted) {
      const states = await redis
        .command('HVALS', '{hs:helloserver}:hosts')
        .then((text) => text.split('\n').map((line) => JSON.parse(line) as { up: boolean }))
      most = Math.max(most, states.filter(({ up }) => !up).length)
      await delay(5)
    }
    for (const { status, stderr } of await restarted) assert.equal(status, 0, stderr)
    assert.equal(most, 1)
    const { hosts } = await fleetOf(services[0] as Service)
    assert.deepEqual(
      hosts.map(({ state }) => state),
      ['serving', 'serving', 'serving'],
    )
  })

  test('three that are all told to stop do one after the other, and say for whom they wait', async (t) => {
    const redis = await RedisServer.start(t)
    const services = await startFleet(t, redis, names, { fleet: { returnMs: 700 } })
    const [one, two, three] = services as Three
    const holder = await occupied(one)
    const first = one.cli('stop')
    await waitFor('a drain', async () => (await one.status()).drain)
    const second = two.cli('stop')
    await waitFor('a place in line', async () => (await two.status()).fleet?.waiting?.place === 1)
    const third = three.cli('stop')
    await waitFor('a place in line', async () => (await three.status()).fleet?.waiting?.place === 2)
    const { stdout } = await three.cli('status')
    assert.match(stdout, /^fleet +waiting for a permit: 2nd in line; down now: web1 \(draining\)$/m)
    // The stop says so once a second.
    await delay(1_200)
    await holder.send('\r\n')
    const results = await Promise.all([first, second, third])
    for (const { status, stderr } of results) assert.equal(status, 0, stderr)
    assert.match(
      results[2]?.stderr ?? '',
      /waiting for a permit: 2nd in line; down now: web1 \(draining\)/,
    )
    assert.equal(await redis.command('KEYS', '*'), '')
  })

  test('force, a second USR1 and TERM do not wait', async (t) => {
    const redis = await RedisServer.start(t)
    const [one, two, three] = (await startFleet(t, redis, names)) as Three
    one.signal('SIGSTOP')
    await waitFor('a dead host', async () => (await fleetOf(two)).hosts[0]?.state === 'dead')
    two.signal('SIGUSR1')
    await two.sandbox.logged(/waiting for a permit: 1st in line; down now: web1 \(dead\)/)
    two.signal('SIGUSR1')
    await two.sandbox.assertNothingLeft()
    assert.match(two.log(), /"level":"warn".*Going down without a permit: somebody insists/)
    await startIn(two.sandbox)
    const waiting = three.cli('stop')
    await waitFor('a wait', async () => (await three.status()).fleet?.waiting)
    const forced = await three.cli('stop', '--force')
    assert.equal(forced.status, 0)
    assert.match(forced.stderr, /forced: not waiting for a permit/)
    assert.equal((await waiting).status, 0)
    assert.match(three.log(), /"level":"warn".*without a permit, by force/)
    const again = two.cli('stop')
    await waitFor('a wait', async () => (await two.status()).fleet?.waiting)
    const { pid } = await two.status()
    process.kill(pid, 'SIGTERM')
    assert.equal((await again).status, 0)
    one.signal('SIGCONT')
  })

  test('a Redis that is away keeps nobody from stopping', async (t) => {
    const redis = await RedisServer.start(t)
    const [one] = (await startFleet(t, redis, ['web1', 'web2'])) as [Service]
    await redis.kill()
    const { status, stderr } = await one.cli('stop')
    assert.equal(status, 0, stderr)
    assert.match(one.log(), /"level":"warn".*Going down without a permit: there is nobody to ask/)
    await redis.start()
  })

  test('reloads that take workers away are let one at a time; others do not wait', async (t) => {
    const redis = await RedisServer.start(t)
    const [one, two, three] = (await startFleet(t, redis, names)) as Three
    one.signal('SIGSTOP')
    await waitFor('a dead host', async () => (await fleetOf(two)).hosts[0]?.state === 'dead')
    await reload(two)
    for (const [at, service] of [two, three].entries()) {
      service.sandbox.configure({ ...memberConfig(names[at + 1] ?? ''), workers: 1 })
    }
    const reloads = [reload(two)]
    await waitFor('a wait', async () => (await two.status()).fleet?.waiting?.for === 'reloading')
    reloads.push(reload(three))
    await waitFor('a place in line', async () => (await three.status()).fleet?.waiting?.place === 2)
    assert.equal((await two.status()).workers.length, 2)
    one.signal('SIGCONT')
    await Promise.all(reloads)
    const { hosts } = await fleetOf(one)
    assert.deepEqual(
      hosts.map(({ permit }) => permit),
      [null, null, null],
    )
  })

  test('an upgrade goes on with the entry of the host', async (t) => {
    const redis = await RedisServer.start(t)
    const [one, two] = (await startFleet(t, redis, ['web1', 'web2'])) as [Service, Service]
    await upgrade(one)
    const { pid } = await one.status()
    assert.notEqual(pid, one.pid)
    await waitFor('the new process', async () => (await fleetOf(two)).hosts[0]?.pid === pid)
    assert.equal((await fleetOf(two)).hosts.length, 2)
    await one.sandbox.logged(/The fleet knows of this host/)
  })
})
