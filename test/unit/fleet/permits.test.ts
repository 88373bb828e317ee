import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { RedisServer } from '../../helpers/redis/server.ts'
import { waitFor } from '../../helpers/wait-for.ts'
import { FleetHost } from '../support/fleet-host.ts'

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

/** Ends a host in good order and starts it again, as a restart does. */
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
    test(`of 8 hosts that all restart, ${maxDown} at most are down at a time, in order`, async (t) => {
      const { redis, hosts } = await fleetOf(t, 8, maxDown)
      // None goes down before all are in line, so that the order is known.
      const keeper = await FleetHost.join(t, redis.url, 'keeper', { maxDown })
      const others = await Promise.all(
        Array.from({ length: maxDown - 1 }, (_, at) =>
          FleetHost.join(t, redis.url, `keeper${at}`, { maxDown }),
        ),
      )
      for (const host of [keeper, ...others]) host.become('draining')
      await delay(100)
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
      // Of permits that are out together, one may be heard of before another that was given first.
      for (const [at, host] of hosts.entries()) {
        const position = order.indexOf(host.fleet.status.host)
        assert.ok(Math.abs(position - at) < maxDown, `the order was ${order.join(', ')}`)
      }
      assert.ok(most <= maxDown, `${most} were down`)
    })
  }

  test('a host alone never waits', async (t) => {
    const { hosts } = await fleetOf(t, 1)
    const startedMs = performance.now()
    await hosts[0]?.fleet.mayStop('a test', false)
    assert.ok(performance.now() - startedMs < 1_000)
  })

  test('says who is down and where in line it is, and so does the log', async (t) => {
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

  test('a holder that crashed is down until it is forgotten, whatever the time', async (t) => {
    const { hosts } = await fleetOf(t, 2)
    const [one, two] = hosts as [FleetHost, FleetHost]
    await one.fleet.mayStop('a test', false)
    one.become('draining')
    await delay(100)
    one.die()
    const asked = await inLine(two)
    await waitFor('a dead host', () => two.fleet.status.waiting?.down[0]?.how === 'dead')
    await delay(1_000)
    assert.equal(asked.isGranted, false)
    await two.fleet.desk.forget('web1', false)
    await waitFor('the permit', () => asked.isGranted)
  })

  test('a host that crashed while it served counts until it serves again', async (t) => {
    const { redis, hosts } = await fleetOf(t, 2)
    const [one, two] = hosts as [FleetHost, FleetHost]
    one.die()
    await waitFor('a dead host', async () => {
      const { hosts: all } = await two.fleet.desk.view()
      return all[0]?.state === 'dead'
    })
    const asked = await inLine(two)
    const again = await FleetHost.join(t, redis.url, 'web1', { state: 'starting' })
    await waitFor('a start', () => two.fleet.status.waiting?.down[0]?.how === 'starting')
    assert.equal(asked.isGranted, false)
    again.become('serving')
    await waitFor('the permit', () => asked.isGranted)
  })

  test('a host that starts for the first time is no loss', async (t) => {
    const { redis, hosts } = await fleetOf(t, 1)
    await FleetHost.join(t, redis.url, 'new', { state: 'starting' })
    const asked = asking(hosts[0] as FleetHost)
    await waitFor('the permit', () => asked.isGranted)
  })

  test('one that stopped may come back for a while, and is gone then', async (t) => {
    const redis = await RedisServer.start(t)
    const one = await FleetHost.join(t, redis.url, 'web1', { returnMs: 1_500 })
    const two = await FleetHost.join(t, redis.url, 'web2')
    await one.fleet.mayStop('a test', false)
    const leftMs = performance.now()
    await one.fleet.leave()
    const asked = await inLine(two)
    assert.deepEqual(two.fleet.status.waiting?.down, [{ host: 'web1', how: 'stopped' }])
    await waitFor('the permit', () => asked.isGranted)
    assert.ok(performance.now() - leftMs >= 1_490)
    const { hosts } = await two.fleet.desk.view()
    assert.deepEqual(
      hosts.map(({ host }) => host),
      ['web2'],
    )
  })

  test('one that could not start again is missed for longer than that', async (t) => {
    const redis = await RedisServer.start(t)
    const one = await FleetHost.join(t, redis.url, 'web1', { returnMs: 200 })
    const two = await FleetHost.join(t, redis.url, 'web2')
    await one.fleet.leave()
    const again = await FleetHost.join(t, redis.url, 'web1', { state: 'starting' })
    await again.fleet.fail()
    const asked = await inLine(two)
    await delay(1_500)
    assert.equal(asked.isGranted, false)
  })

  test('a waiter that dies does not block the line', async (t) => {
    const { hosts } = await fleetOf(t, 3, 2)
    const [one, two, three] = hosts as [FleetHost, FleetHost, FleetHost]
    for (const host of [one, three]) host.become('draining')
    await delay(100)
    one.become('serving')
    await delay(100)
    two.become('draining')
    await delay(100)
    await inLine(one)
    one.die()
    two.become('serving')
    three.become('serving')
    await delay(50)
    const asked = await inLine(two)
    await waitFor('the permit', () => asked.isGranted)
  })

  test('who insists goes down at once, and counts as down', async (t) => {
    const { hosts } = await fleetOf(t, 3)
    const [one, two, three] = hosts as [FleetHost, FleetHost, FleetHost]
    await one.fleet.mayStop('a test', false)
    const asked = await inLine(two)
    assert.equal(two.fleet.insist('stopping', 'SIGUSR1'), true)
    await waitFor('the end of the wait', () => asked.isGranted)
    assert.ok(two.hasLogged('warn', /somebody insists/))
    await inLine(three)
    await waitFor('two that are down', () => three.fleet.status.waiting?.down.length === 2)
    await three.fleet.mayStop('a test', true)
    assert.ok(three.hasLogged('warn', /by force/))
  })

  test('a Redis that is away keeps nobody for longer than it says', async (t) => {
    const { redis, hosts } = await fleetOf(t, 2)
    const [one, two] = hosts as [FleetHost, FleetHost]
    await redis.pause()
    const startedMs = performance.now()
    await one.fleet.mayStop('a test', false)
    const tookMs = performance.now() - startedMs
    redis.resume()
    assert.ok(tookMs >= 1_900 && tookMs < 4_000, `${tookMs} ms`)
    assert.ok(one.hasLogged('warn', /nobody to ask/))
    // It is down without having been let, and the other one is told so.
    await waitFor('what it has told', async () => {
      const view = await two.fleet.desk.view().catch(() => undefined)
      return view?.hosts[0]?.permit === 'stopping'
    })
    await inLine(two)
    await waitFor('who is down', () => two.fleet.status.waiting?.down[0]?.host === 'web1')
  })

  test('a Redis that lost its data lets nobody go before its hosts have registered again', async (t) => {
    const { redis, hosts } = await fleetOf(t, 2)
    const [one, two] = hosts as [FleetHost, FleetHost]
    one.become('draining')
    await redis.restart()
    const asked = asking(two)
    await waitFor('the reason', () => /register again/.test(two.fleet.status.waiting?.reason ?? ''))
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
    test(`a clock that jumps ${direction} lets nobody go who may not`, async (t) => {
      const redis = await RedisServer.start(t, { hasFakedClock: true })
      const [one, two, three] = await Promise.all(
        ['web1', 'web2', 'web3'].map((name) => FleetHost.join(t, redis.url, name)),
      )
      await one?.fleet.mayStop('a test', false)
      await one?.fleet.leave()
      const asked = await inLine(two as FleetHost)
      redis.setClock(offsetS)
      await delay(2_500)
      assert.equal(asked.isGranted, false)
      three?.die()
      await waitFor('a dead host', () =>
        two?.fleet.status.waiting?.down.some(({ how }) => how === 'dead'),
      )
    })
  }

  test('a stop in the middle of a reload goes on with its permit', async (t) => {
    const { hosts } = await fleetOf(t, 2)
    const [one, two] = hosts as [FleetHost, FleetHost]
    const change = { build: undefined, isReduction: true, force: false }
    await one.fleet.deploy(change, async () => {
      await one.fleet.mayStop('a test', false)
    })
    await inLine(two)
    await waitFor('who is down', () => two.fleet.status.waiting?.down[0]?.how === 'stopping')
    assert.equal(placeOf(two), 1)
  })

  test('a reload that takes workers away is let, one host at a time, and the others are told', async (t) => {
    const { hosts } = await fleetOf(t, 4)
    const change = { build: undefined, isReduction: true, force: false }
    let running = 0
    let most = 0
    await Promise.all(
      hosts.map(({ fleet }) =>
        fleet.deploy(change, async () => {
          running += 1
          most = Math.max(most, running)
          await delay(50)
          running -= 1
        }),
      ),
    )
    assert.equal(most, 1)
    const { hosts: all } = await (hosts[0] as FleetHost).fleet.desk.view()
    assert.equal(all.length, 4)
  })
})
