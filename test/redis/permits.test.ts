import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { cannotFakeClocks } from '../helpers/redis/faked-clock.ts'
import { RedisServer } from '../helpers/redis/server.ts'
import { waitFor } from '../helpers/wait-for.ts'
import { FleetHost } from './fleet-host.ts'

const named = (at: number) => `web${at + 1}`

async function fleetOf(t: TestContext, count: number, maxDown = 1) {
  const redis = await RedisServer.start(t)
  const hosts: FleetHost[] = []
  // One after the other, so that each but the first knows at once that it is not alone.
  for (let at = 0; at < count; at += 1) {
    hosts.push(await FleetHost.join(t, redis.url, named(at), { maxDown }))
  }
  return { redis, hosts }
}

/** Asks for a permit; `isGranted` once it may go down. */
function asking(host: FleetHost): { isGranted: boolean } {
  const asked = { isGranted: false }
  void host.fleet.mayStop('a test', false).then(() => {
    asked.isGranted = true
  })
  return asked
}

const placeOf = ({ fleet }: FleetHost) => fleet.status.waiting?.place ?? null

/** Asks, and waits until it has a place in line, or its permit. */
async function inLine(host: FleetHost): Promise<{ isGranted: boolean }> {
  const asked = asking(host)
  await waitFor('a place in line', () => asked.isGranted || placeOf(host) !== null)
  return asked
}

/** Waits until the fleet knows that a host is in a state. */
async function isKnownAs(host: FleetHost, state: string): Promise<void> {
  const { host: name } = host.fleet.status
  await waitFor(`a host that is "${state}"`, async () => {
    const { hosts } = await host.fleet.operations.view()
    return hosts.some((known) => known.host === name && known.state === state)
  })
}

/** Changes a host's state, and waits until the fleet knows it. */
async function becomes(host: FleetHost, state: 'serving' | 'draining'): Promise<void> {
  host.become(state)
  await isKnownAs(host, state)
}

/** Waits until a waiting host has asked `times` more times without being granted its permit. */
async function asksInVain(host: FleetHost, times = 5): Promise<void> {
  for (let left = times; left > 0; left -= 1) {
    const before = host.fleet.status.waiting
    await waitFor('another answer', () => host.fleet.status.waiting !== before)
    assert.ok(host.fleet.status.waiting, 'the permit was granted')
  }
}

/** Waits until a host that is dead, or has ended, has been silent for `ms` by the clock of Redis. */
async function isSilentFor(host: FleetHost, name: string, ms: number): Promise<void> {
  await waitFor(`${ms} ms of silence`, async () => {
    const { hosts } = await host.fleet.operations.view()
    return hosts.some((known) => known.host === name && known.silentMs > ms)
  })
}

/** Stops a host in good order and starts it again, as a restart does; the time that each takes varies. */
async function restart(t: TestContext, url: string, host: FleetHost, maxDown: number) {
  host.become('draining')
  await delay(Math.random() * 40)
  await host.fleet.leave()
  const { host: name } = host.fleet.status
  const again = await FleetHost.join(t, url, name, { maxDown, state: 'starting' })
  await delay(Math.random() * 40)
  return again
}

describe('permits', { concurrency: 4 }, () => {
  for (const maxDown of [1, 2, 3]) {
    test(`when 8 hosts restart, at most ${maxDown} are down at a time, in order`, async (t) => {
      const { redis, hosts } = await fleetOf(t, 8, maxDown)
      // No host goes down before all are in line, so that the order is known.
      const keeper = await FleetHost.join(t, redis.url, 'keeper', { maxDown })
      const others = await Promise.all(
        Array.from({ length: maxDown - 1 }, (_, at) =>
          FleetHost.join(t, redis.url, `keeper${at}`, { maxDown }),
        ),
      )
      await Promise.all([keeper, ...others].map((host) => becomes(host, 'draining')))
      const order: string[] = []
      let down = 0
      let most = 0
      const restarted: Promise<void>[] = []
      for (const host of hosts) {
        const { host: name } = host.fleet.status
        const done = host.fleet.mayStop('a test', false).then(async () => {
          order.push(name)
          down += 1
          most = Math.max(most, down)
          const again = await restart(t, redis.url, host, maxDown)
          down -= 1
          again.become('serving')
        })
        restarted.push(done)
        await waitFor('a place in line', () => placeOf(host) !== null)
      }
      for (const host of [keeper, ...others]) host.become('serving')
      await Promise.all(restarted)
      // Of permits that are held at the same time, the news of a later one may arrive first.
      for (const [at, host] of hosts.entries()) {
        const position = order.indexOf(host.fleet.status.host)
        assert.ok(Math.abs(position - at) < maxDown, `the order was ${order.join(', ')}`)
      }
      assert.ok(most <= maxDown, `${most} were down`)
    })
  }

  test('a host that is alone never waits', async (t) => {
    const [host] = (await fleetOf(t, 1)).hosts as [FleetHost]
    await host.fleet.mayStop('a test', false)
    assert.ok(!host.hasLogged('info', /^waiting/) && !host.hasLogged('warn', /without a permit/))
  })

  test('a waiting host and its log name the hosts that are down and its place in line', async (t) => {
    const { hosts } = await fleetOf(t, 3)
    const [one, two, three] = hosts as [FleetHost, FleetHost, FleetHost]
    await one.fleet.mayStop('a test', false)
    one.become('draining')
    await inLine(two)
    await inLine(three)
    await waitFor(
      'what the first one does',
      () => three.fleet.status.waiting?.down[0]?.how === 'draining',
    )
    assert.deepEqual(three.fleet.status.waiting, {
      for: 'stopping',
      place: 2,
      down: [{ host: 'web1', how: 'draining' }],
      reason: null,
    })
    assert.ok(
      three.hasLogged('info', /^waiting for a permit: 2nd in line; down now: web1 \(draining\)$/),
    )
  })

  test('a holder of a permit that crashed is down until it is forgotten, without a time limit', async (t) => {
    const { hosts } = await fleetOf(t, 2)
    const [one, two] = hosts as [FleetHost, FleetHost]
    await one.fleet.mayStop('a test', false)
    await becomes(one, 'draining')
    one.die()
    const asked = await inLine(two)
    await waitFor('a dead host', () => two.fleet.status.waiting?.down[0]?.how === 'dead')
    await asksInVain(two)
    await two.fleet.operations.forget('web1', false)
    await waitFor('the permit', () => asked.isGranted)
  })

  test('a host that crashed while it served is down until it serves again', async (t) => {
    const { redis, hosts } = await fleetOf(t, 2)
    const [one, two] = hosts as [FleetHost, FleetHost]
    one.die()
    await waitFor('a dead host', async () => {
      const { hosts: all } = await two.fleet.operations.view()
      return all[0]?.state === 'dead'
    })
    const asked = await inLine(two)
    const again = await FleetHost.join(t, redis.url, 'web1', { state: 'starting' })
    await waitFor('a start', () => two.fleet.status.waiting?.down[0]?.how === 'starting')
    assert.equal(asked.isGranted, false)
    again.become('serving')
    await waitFor('the permit', () => asked.isGranted)
  })

  test('a host that starts for the first time does not count as down', async (t) => {
    const { redis, hosts } = await fleetOf(t, 1)
    await FleetHost.join(t, redis.url, 'new', { state: 'starting' })
    const asked = asking(hosts[0] as FleetHost)
    await waitFor('the permit', () => asked.isGranted)
  })

  test('a host that stopped is down for as long as it may take to come back', async (t) => {
    const redis = await RedisServer.start(t)
    const one = await FleetHost.join(t, redis.url, 'web1', { returnMs: 600_000 })
    const two = await FleetHost.join(t, redis.url, 'web2')
    await one.fleet.mayStop('a test', false)
    await one.fleet.leave()
    const asked = await inLine(two)
    await asksInVain(two)
    assert.deepEqual(two.fleet.status.waiting?.down, [{ host: 'web1', how: 'stopped' }])
    await FleetHost.join(t, redis.url, 'web1')
    await waitFor('the permit', () => asked.isGranted)
  })

  test('a host that stopped and does not come back leaves the fleet', async (t) => {
    const redis = await RedisServer.start(t)
    const one = await FleetHost.join(t, redis.url, 'web1', { returnMs: 600_000 })
    // As by a reload.
    one.fleet.apply({ returnMs: 500 })
    const two = await FleetHost.join(t, redis.url, 'web2')
    await one.fleet.mayStop('a test', false)
    await one.fleet.leave()
    await two.fleet.mayStop('a test', false)
    assert.ok(!two.hasLogged('warn', /without a permit/))
    const { hosts } = await two.fleet.operations.view()
    assert.deepEqual(
      hosts.map(({ host }) => host),
      ['web2'],
    )
  })

  test('a host that could not start again is down without a time limit', async (t) => {
    const redis = await RedisServer.start(t)
    const one = await FleetHost.join(t, redis.url, 'web1')
    const two = await FleetHost.join(t, redis.url, 'web2')
    await one.fleet.leave()
    const options = { returnMs: 1, state: 'starting' } as const
    const again = await FleetHost.join(t, redis.url, 'web1', options)
    await again.fleet.fail()
    await inLine(two)
    await isSilentFor(two, 'web1', 1_000)
    await asksInVain(two)
  })

  test('a waiting host that dies does not block the line', async (t) => {
    const { hosts } = await fleetOf(t, 3, 2)
    const [one, two, three] = hosts as [FleetHost, FleetHost, FleetHost]
    for (const host of [two, three]) await becomes(host, 'draining')
    await inLine(one)
    one.die()
    for (const host of [two, three]) await becomes(host, 'serving')
    const asked = await inLine(two)
    await waitFor('the permit', () => asked.isGranted)
  })

  test('a host whose operator insists goes down at once, and counts as down', async (t) => {
    const { hosts } = await fleetOf(t, 3)
    const [one, two, three] = hosts as [FleetHost, FleetHost, FleetHost]
    await one.fleet.mayStop('a test', false)
    const asked = await inLine(two)
    assert.equal(two.fleet.escalate('stopping', 'SIGUSR1'), true)
    await waitFor('the end of the wait', () => asked.isGranted)
    assert.ok(two.hasLogged('warn', /an operator asked a second time/))
    await inLine(three)
    await waitFor('two that are down', () => three.fleet.status.waiting?.down.length === 2)
    await three.fleet.mayStop('a test', true)
    assert.ok(three.hasLogged('warn', /as --force asks/))
  })

  test('an unreachable Redis delays a host for a limited time', async (t) => {
    const { redis, hosts } = await fleetOf(t, 2)
    const [one, two] = hosts as [FleetHost, FleetHost]
    await redis.pause()
    const asked = asking(one)
    await waitFor('what it waits for', () =>
      /does not answer in time/.test(one.fleet.status.waiting?.reason ?? ''),
    )
    await waitFor('the end of its patience', () => asked.isGranted)
    redis.resume()
    assert.ok(one.hasLogged('warn', /the fleet does not answer/))
    // It is down without a permit, and has told the other host so.
    await waitFor('what it has told', async () => {
      const view = await two.fleet.operations.view().catch(() => undefined)
      return view?.hosts[0]?.permit === 'stopping'
    })
    await inLine(two)
    await waitFor('who is down', () => two.fleet.status.waiting?.down[0]?.host === 'web1')
  })

  test('a Redis that lost its data grants no permit before its hosts have registered again', async (t) => {
    const { redis, hosts } = await fleetOf(t, 2)
    const [one, two] = hosts as [FleetHost, FleetHost]
    one.become('draining')
    await redis.restart()
    const asked = asking(two)
    await waitFor('the reason', () =>
      /registering again/.test(two.fleet.status.waiting?.reason ?? ''),
    )
    await waitFor('who is down', () => two.fleet.status.waiting?.down[0]?.how === 'draining')
    await waitFor('the end of that', () => two.fleet.status.waiting?.reason === null)
    assert.equal(asked.isGranted, false)
    one.become('serving')
    await waitFor('the permit', () => asked.isGranted)
  })

  for (const [direction, offsetS] of [
    ['ahead', 3_600],
    ['back', -3_600],
  ] as const) {
    const title = `a clock that jumps ${direction} grants no permit early`
    test(title, { skip: cannotFakeClocks }, async (t) => {
      const redis = await RedisServer.start(t, { hasFakedClock: true })
      const [one, two, three] = await Promise.all(
        ['web1', 'web2', 'web3'].map((name) =>
          FleetHost.join(t, redis.url, name, { returnMs: 600_000 }),
        ),
      )
      await one?.fleet.mayStop('a test', false)
      await one?.fleet.leave()
      await inLine(two as FleetHost)
      redis.setClock(offsetS)
      await asksInVain(two as FleetHost)
      three?.die()
      await waitFor('a dead host', () =>
        two?.fleet.status.waiting?.down.some(({ how }) => how === 'dead'),
      )
    })
  }

  test('a stop during a reload uses its permit', async (t) => {
    const { hosts } = await fleetOf(t, 2)
    const [one, two] = hosts as [FleetHost, FleetHost]
    const change = { build: undefined, isReduction: true, force: false }
    await one.deploy(change, async () => {
      await one.fleet.mayStop('a test', false)
    })
    await inLine(two)
    await waitFor('who is down', () => two.fleet.status.waiting?.down[0]?.how === 'stopping')
    assert.equal(placeOf(two), 1)
  })

  test('reloads that remove workers are permitted on one host at a time', async (t) => {
    const { hosts } = await fleetOf(t, 4)
    const change = { build: undefined, isReduction: true, force: false }
    let running = 0
    let most = 0
    await Promise.all(
      hosts.map((host) =>
        host.deploy(change, async () => {
          running += 1
          most = Math.max(most, running)
          await delay(50)
          running -= 1
        }),
      ),
    )
    assert.equal(most, 1)
    const { hosts: all } = await (hosts[0] as FleetHost).fleet.operations.view()
    assert.equal(all.length, 4)
  })
})
