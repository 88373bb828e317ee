import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Client } from '../helpers/client.ts'
import { reload, stop, upgrade } from '../helpers/commands.ts'
import { fleetOf, memberConfig, startFleet } from '../helpers/fleet.ts'
import { signalTo } from '../helpers/processes.ts'
import { RedisServer } from '../helpers/redis/server.ts'
import type { CommandResult } from '../helpers/sandbox.ts'
import { counted, type Service, startIn } from '../helpers/service.ts'
import { serviceAt, statusIn } from '../helpers/service-in.ts'
import { pidIn } from '../helpers/upgrade.ts'
import { waitFor } from '../helpers/wait-for.ts'

const names = ['web1', 'web2', 'web3']
type Three = readonly [Service, Service, Service]

/** An app that takes its time to end. */
const slow = `import { setTimeout as delay } from 'node:timers/promises'
export default {
  async handle(connection) { await connection.write((await connection.readLine()) ?? '') },
  async teardown() { await delay(300) },
}`

/** Connects a client, so that a stop takes as long as the test wants. */
async function occupied(service: Service): Promise<Client> {
  const client = await Client.connect(service.port)
  await counted(service, { active: 1 })
  return client
}

/** Pauses a host until the others consider it dead. */
async function playDead(dead: Service, other: Service): Promise<void> {
  signalTo(pidIn(dead.sandbox), 'SIGSTOP')
  await waitFor('a dead host', async () => (await fleetOf(other)).hosts[0]?.state === 'dead')
}

/** Waits until a host waits for a permit at a given place in line. */
const waits = (service: Service, place: number) =>
  waitFor(`number ${place} in line`, async () => {
    return (await service.status()).fleet?.waiting?.place === place
  })

describe('permits of the fleet', { concurrency: 2 }, () => {
  test('of a fleet whose hosts are reloaded, upgraded and ended', async (t) => {
    const redis = await RedisServer.start(t)
    const three = (await startFleet(t, redis, names, { config: { workers: 1 } })) as unknown
    const [one, two, third] = three as Three
    await t.test('an upgrade continues the entry of the host', async () => {
      await upgrade(one)
      const { pid } = await one.status()
      assert.notEqual(pid, one.pid)
      await waitFor('the new process', async () => (await fleetOf(two)).hosts[0]?.pid === pid)
      assert.equal((await fleetOf(two)).hosts.length, 3)
      await one.sandbox.logged(/This host is registered in the fleet/)
    })
    await t.test(
      'reloads that remove workers are permitted one at a time; others do not wait',
      () => takeWorkersAway([one, two, third]),
    )
    await t.test('force, a second USR1 and TERM do not wait', () => escalate([one, two, third]))
    await t.test('an unreachable Redis keeps no host from stopping', async () => {
      await redis.kill()
      const { status, stderr } = await one.cli('stop')
      assert.equal(status, 0, stderr)
      assert.match(
        one.log(),
        /"level":"warn".*Going down without a permit: the fleet does not answer/,
      )
      await redis.start()
    })
  })

  async function takeWorkersAway([one, two, three]: Three): Promise<void> {
    const configure = (service: Service, workers: number) =>
      service.sandbox.configure({ ...memberConfig(names[service === two ? 1 : 2] ?? ''), workers })
    await playDead(one, two)
    // More workers reduce no capacity, so this needs no permit.
    for (const service of [two, three]) {
      configure(service, 2)
      await reload(service)
      configure(service, 1)
    }
    const reloads = [reload(two)]
    await waitFor('a wait', async () => (await two.status()).fleet?.waiting?.for === 'reloading')
    reloads.push(reload(three))
    await waits(three, 2)
    assert.equal((await two.status()).workers.length, 2)
    signalTo(pidIn(one.sandbox), 'SIGCONT')
    await Promise.all(reloads)
    const { hosts } = await fleetOf(two)
    assert.deepEqual(
      hosts.map(({ permit }) => permit),
      [null, null, null],
    )
  }

  async function escalate([one, two, three]: Three): Promise<void> {
    await playDead(one, two)
    two.signal('SIGUSR1')
    await waits(two, 1)
    await two.sandbox.logged(/waiting for a permit: 1st in line; down now: web1 \(dead\)/)
    two.signal('SIGUSR1')
    await two.sandbox.assertNothingLeft()
    assert.match(
      two.log(),
      /"level":"warn".*Going down without a permit: an operator asked a second time/,
    )
    await startIn(two.sandbox)
    const waiting = stop(three)
    await waitFor('a wait', async () => (await three.status()).fleet?.waiting)
    const forced = await three.cli('stop', '--force')
    assert.equal(forced.status, 0)
    assert.match(forced.stderr, /forced: not waiting for a permit/)
    await waiting
    assert.match(three.log(), /"level":"warn".*without a permit, as --force asks/)
    const again = two.cli('stop')
    await waitFor('a wait', async () => (await two.status()).fleet?.waiting)
    signalTo((await two.status()).pid, 'SIGTERM')
    assert.equal((await again).status, 0)
    signalTo(pidIn(one.sandbox), 'SIGCONT')
  }

  test('of a fleet whose hosts are all told the same at once', async (t) => {
    const redis = await RedisServer.start(t)
    const options = { app: slow, config: { workers: 1 } }
    const services = await startFleet(t, redis, names, options)
    await t.test('three hosts that are told to restart are down one at a time', async () => {
      // Applies to hosts that are started again: the last part waits until it has passed.
      for (const [at, { sandbox }] of services.entries()) {
        const fleet = { returnMs: 700 }
        sandbox.configure({ ...memberConfig(names[at] ?? '', { fleet }), workers: 1 })
      }
      const most = await mostDown(redis, () => services.map((service) => service.cli('restart')))
      assert.equal(most, 1)
      const { hosts } = await fleetOf(services[0] as Service)
      assert.deepEqual(
        hosts.map(({ state }) => state),
        ['serving', 'serving', 'serving'],
      )
    })
    const anew = services.map(async ({ sandbox }) => {
      const { pid, listen } = await statusIn(sandbox)
      return serviceAt(sandbox, pid, listen.port)
    })
    const [one, two, three] = (await Promise.all(anew)) as unknown as Three
    await t.test(
      'three that are told to stop do so in turn, and say for whom they wait',
      async () => {
        const holder = await occupied(one)
        const first = stop(one)
        await waitFor('a drain', async () => (await one.status()).drain)
        const second = stop(two)
        await waits(two, 1)
        const third = three.cli('stop')
        await waits(three, 2)
        const told = 'waiting for a permit: 2nd in line; down now: web1 \\(draining\\)'
        assert.match((await three.cli('status')).stdout, new RegExp(`^fleet +${told}$`, 'm'))
        // The stop reports its wait once a second.
        await delay(1_200)
        await holder.send('\r\n')
        await Promise.all([first, second])
        const { status, stderr } = await third
        assert.equal(status, 0, stderr)
        assert.match(stderr, new RegExp(told))
        assert.equal(await redis.command('KEYS', '*'), '')
      },
    )
  })
})

/** Returns the highest number of hosts that were down at a time while commands ran, which had to succeed. */
async function mostDown(redis: RedisServer, run: () => Promise<CommandResult>[]): Promise<number> {
  const watch = new AbortController()
  const done = Promise.all(run()).finally(() => watch.abort())
  let most = 0
  while (!watch.signal.aborted) {
    const states = await redis
      .command('HVALS', '{hs:helloserver}:hosts')
      .then((text) => text.split('\n').map((line) => JSON.parse(line) as { up: boolean }))
    most = Math.max(most, states.filter(({ up }) => !up).length)
    await delay(10)
  }
  for (const { status, stderr } of await done) assert.equal(status, 0, stderr)
  return most
}
