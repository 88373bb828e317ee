import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { FleetView } from '../../src/fleet/fleet.ts'
import { stop } from '../helpers/commands.ts'
import { fleetOf, startFleet } from '../helpers/fleet.ts'
import { RedisServer } from '../helpers/redis/server.ts'
import { Sandbox } from '../helpers/sandbox.ts'
import type { Service } from '../helpers/service.ts'
import { startIn, startService } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

describe('the fleet view', { concurrency: 2 }, () => {
  test('shows every host, the dead with their silence; who is forgotten is gone', async (t) => {
    const redis = await RedisServer.start(t)
    const [one, two] = (await startFleet(t, redis, ['web1', 'web2'])) as [Service, Service]
    const { hosts } = await fleetOf(one)
    assert.deepEqual(
      hosts.map(({ host, pid, listen }) => [host, pid, listen.port]),
      [
        ['web1', one.pid, one.port],
        ['web2', two.pid, two.port],
      ],
    )
    const alive = await one.cli('fleet', 'forget', 'web2')
    assert.equal(alive.status, 1)
    assert.match(alive.stderr, /Host "web2" is alive \(serving\)/)
    two.signal('SIGKILL')
    const dead = await waitFor('a dead host', async () => {
      const { stdout } = await one.cli('fleet')
      return stdout.match(/^web2 .*dead, silent for \d+ s/m)
    })
    assert.ok(dead)
    const unknown = await one.cli('fleet', 'forget', 'web9')
    assert.equal(unknown.status, 1)
    assert.match(unknown.stderr, /no host "web9"; the hosts are web1, web2/)
    assert.equal((await one.cli('fleet', 'forget', 'web2')).status, 0)
    assert.equal((await fleetOf(one)).hosts.length, 1)
    // For the tidying up, which looks for what a service leaves behind.
    await startIn(two.sandbox)
  })

  test('works without a service that runs here, if it knows the Redis', async (t) => {
    const redis = await RedisServer.start(t)
    await startFleet(t, redis, ['web1'])
    const elsewhere = new Sandbox(t, { environment: { HELLOSERVER_REDIS_URL: redis.url } })
    const { stdout } = await elsewhere.cli('fleet', '--json')
    assert.equal((JSON.parse(stdout) as FleetView).hosts[0]?.host, 'web1')
    const { status, stderr } = await new Sandbox(t).cli('fleet')
    assert.deepEqual([status, /no fleet without Redis/.test(stderr)], [1, true])
  })

  test('says that there is none without Redis, and refuses wrong usage', async (t) => {
    const service = await startService(t)
    const { status, stderr } = await service.cli('fleet')
    assert.deepEqual([status, /no fleet without Redis/.test(stderr)], [1, true])
    for (const words of [
      ['forget'],
      ['clear'],
      ['clear', 'b1', '--all'],
      ['sing'],
      ['show', 'x'],
    ]) {
      assert.equal((await service.cli('fleet', ...words)).status, 2, words.join(' '))
    }
  })

  test('a host that ends is no longer there after a while, and the last takes everything along', async (t) => {
    const redis = await RedisServer.start(t)
    const fleet = { returnMs: 500 }
    const [one, two] = (await startFleet(t, redis, ['web1', 'web2'], { fleet })) as [
      Service,
      Service,
    ]
    await stop(two)
    await waitFor('a fleet of one', async () => (await fleetOf(one)).hosts.length === 1)
    await stop(one)
    assert.equal(await redis.command('KEYS', '*'), '')
  })

  test('another maxDown than that of the fleet is refused at the start, and in a reload', async (t) => {
    const redis = await RedisServer.start(t)
    const [one] = (await startFleet(t, redis, ['web1'], {
      allow: [/Reload failed/],
    })) as [Service]
    const two = new Sandbox(t, {
      config: { lease: { mode: 'off', host: 'web2' }, fleet: { maxDown: 2 } },
      environment: { HELLOSERVER_REDIS_URL: redis.url },
      allow: [/fleet.maxDown is 2 here and 1 in the fleet/],
    })
    const { status, stderr } = await two.cli('start')
    assert.equal(status, 78)
    assert.match(stderr, /fleet.maxDown is 2 here and 1 in the fleet \(set by web1\)/)
    one.sandbox.configure({ lease: { mode: 'off', host: 'web1' }, fleet: { maxDown: 2 } })
    one.signal('SIGHUP')
    await one.sandbox.logged(/fleet.maxDown cannot change from 1 to 2 in a reload/)
  })
})
