import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { RedisServer } from '../helpers/redis/server.ts'
import { waitFor } from '../helpers/wait-for.ts'
import { FleetHost } from './fleet-host.ts'

const keys = (redis: RedisServer) => redis.command('KEYS', '*')

describe('the registration', { concurrency: 4 }, () => {
  test('shows the state of each host', async (t) => {
    const redis = await RedisServer.start(t)
    const one = await FleetHost.join(t, redis.url, 'web1')
    const two = await FleetHost.join(t, redis.url, 'web2')
    two.become('degraded')
    const view = await waitFor('the change', async () => {
      const seen = await one.fleet.operations.view()
      return seen.hosts[1]?.state === 'degraded' ? seen : undefined
    })
    assert.deepEqual([view.name, view.maxDown, view.refusedBuilds], ['test', 1, []])
    const { silentMs, ...first } = view.hosts[0] as (typeof view.hosts)[number]
    assert.ok(silentMs < 5_000)
    assert.deepEqual(first, {
      host: 'web1',
      state: 'serving',
      build: 'b1',
      version: '1.0.0',
      workers: { busy: 1, total: 2 },
      queue: { length: 0, max: 10 },
      lease: null,
      listen: { host: '127.0.0.1', port: 1 },
      pid: process.pid,
      lastReload: null,
      permit: null,
    })
  })

  test('when the last host leaves, no setting is left that binds the next', async (t) => {
    const redis = await RedisServer.start(t)
    const one = await FleetHost.join(t, redis.url, 'web1', { maxDown: 1 })
    const two = await FleetHost.join(t, redis.url, 'web2', { maxDown: 1 })
    await assert.rejects(FleetHost.join(t, redis.url, 'web3', { maxDown: 2 }), {
      code: 'BAD_CONFIG',
      message: /fleet.maxDown is 2 here and 1 in the fleet \(set by web1\)/,
    })
    await one.fleet.leave()
    assert.notEqual(await keys(redis), '')
    await two.fleet.leave()
    assert.equal(await keys(redis), '')
    await FleetHost.join(t, redis.url, 'web3', { maxDown: 2 })
  })

  test('a host that was never up leaves nothing behind', async (t) => {
    const redis = await RedisServer.start(t)
    const one = await FleetHost.join(t, redis.url, 'web1', { state: 'starting' })
    await one.fleet.fail()
    assert.equal(await keys(redis), '')
  })

  test('two hosts with the same name both report it once, with the remedy', async (t) => {
    const redis = await RedisServer.start(t)
    const twins = [
      await FleetHost.join(t, redis.url, 'web1'),
      await FleetHost.join(t, redis.url, 'web1'),
    ]
    const words = /Two hosts are named "web1".*set lease\.host/
    for (const twin of twins) {
      await waitFor('a loud word', () => twin.hasLogged('error', words))
    }
    for (let beats = 0; beats < 6; beats += 1) {
      for (const { fleet } of twins) fleet.changed()
      await twins[0]?.fleet.operations.view()
    }
    for (const { lines } of twins) {
      assert.equal(lines.filter(({ level }) => level === 'error').length, 1)
    }
  })

  test('neither a host that starts again after it was killed nor a successor is taken for a rival', async (t) => {
    const redis = await RedisServer.start(t)
    const killed = await FleetHost.join(t, redis.url, 'web1')
    killed.die()
    const again = await FleetHost.join(t, redis.url, 'web1')
    again.fleet.stop()
    const successor = await FleetHost.join(t, redis.url, 'web1', { instance: again.instance })
    successor.become('degraded')
    await waitFor('the change', async () => {
      const { hosts } = await successor.fleet.operations.view()
      return hosts[0]?.state === 'degraded'
    })
    for (const host of [killed, again, successor]) assert.equal(host.hasLogged('error', /./), false)
  })

  test('forgets a host that is not alive, and others only by force', async (t) => {
    const redis = await RedisServer.start(t)
    const one = await FleetHost.join(t, redis.url, 'web1')
    const two = await FleetHost.join(t, redis.url, 'web2')
    const { operations } = one.fleet
    await assert.rejects(operations.forget('web3', false), {
      code: 'UNKNOWN_HOST',
      message: 'There is no host "web3"; the hosts are web1, web2',
    })
    await assert.rejects(operations.forget('web2', false), { code: 'HOST_ALIVE' })
    two.die()
    await operations.forget('web2', true)
    const { hosts } = await operations.view()
    assert.deepEqual(
      hosts.map(({ host }) => host),
      ['web1'],
    )
  })
})
