import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import type { FleetView } from '../../src/fleet/fleet.ts'
import { stop, tryReload } from '../helpers/commands.ts'
import { fleetOf, memberConfig, startFleet } from '../helpers/fleet.ts'
import { RedisServer } from '../helpers/redis/server.ts'
import { Sandbox } from '../helpers/sandbox.ts'
import type { Service } from '../helpers/service.ts'
import { startIn, startService } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

const names = ['web1', 'web2']
type Two = readonly [Service, Service]

describe('the fleet view', { concurrency: 2 }, () => {
  test('of two hosts', async (t) => {
    const redis = await RedisServer.start(t)
    const options = { config: { workers: 1 }, fleet: { returnMs: 500 }, allow: [/Reload failed/] }
    const [one, two] = (await startFleet(t, redis, names, options)) as unknown as Two
    await t.test('shows both hosts, which serve without a lease', async () => {
      const { hosts } = await fleetOf(one)
      assert.deepEqual(
        hosts.map(({ host, pid, listen }) => [host, pid, listen.port]),
        [
          ['web1', one.pid, one.port],
          ['web2', two.pid, two.port],
        ],
      )
      for (const service of [one, two]) {
        const { state, lease } = await service.status()
        assert.deepEqual([state, lease], ['serving', null])
      }
    })
    await t.test('works without a running service here, given the Redis URL', async (st) => {
      const elsewhere = new Sandbox(st, { environment: { HELLOSERVER_REDIS_URL: redis.url } })
      const { stdout } = await elsewhere.cli('fleet', '--json')
      assert.equal((JSON.parse(stdout) as FleetView).hosts[0]?.host, 'web1')
    })
    await t.test('a different maxDown is refused at the start and in a reload', (st) =>
      refusesOtherLimits(st, redis, one),
    )
    await t.test(
      'shows how long a dead host has been silent, and no longer shows a forgotten one',
      () => forgets([one, two]),
    )
    await t.test(
      'a host that ends is no longer there after a while, and the last takes everything along',
      async () => {
        await startIn(two.sandbox)
        await stop(two)
        await waitFor('a fleet of one', async () => (await fleetOf(one)).hosts.length === 1)
        await stop(one)
        assert.equal(await redis.command('KEYS', '*'), '')
      },
    )
  })

  async function refusesOtherLimits(t: TestContext, redis: RedisServer, one: Service) {
    const fleet = { maxDown: 2 }
    const other = new Sandbox(t, {
      config: { lease: { mode: 'off', host: 'web3' }, fleet },
      environment: { HELLOSERVER_REDIS_URL: redis.url },
      allow: [/fleet.maxDown is 2 here and 1 in the fleet/],
    })
    const { status, stderr } = await other.cli('start')
    assert.equal(status, 78)
    assert.match(stderr, /fleet.maxDown is 2 here and 1 in the fleet \(set by web[12]\)/)
    one.sandbox.configure(memberConfig('web1', { fleet }))
    const { outcome, reason } = await tryReload(one)
    assert.equal(outcome, 'failed')
    assert.match(String(reason), /fleet.maxDown cannot change from 1 to 2 in a reload/)
  }

  async function forgets([one, two]: Two): Promise<void> {
    const alive = await one.cli('fleet', 'forget', 'web2')
    assert.equal(alive.status, 1)
    assert.match(alive.stderr, /Host "web2" is alive \(serving\)/)
    two.signal('SIGKILL')
    await waitFor('a dead host', async () => {
      const { hosts } = await fleetOf(one)
      return hosts.some(({ state }) => state === 'dead')
    })
    assert.match((await one.cli('fleet')).stdout, /^web2 .*dead, silent for \d+ s/m)
    const unknown = await one.cli('fleet', 'forget', 'web9')
    assert.equal(unknown.status, 1)
    assert.match(unknown.stderr, /no host "web9"; the hosts are web1, web2/)
    assert.equal((await one.cli('fleet', 'forget', 'web2')).status, 0)
    assert.equal((await fleetOf(one)).hosts.length, 1)
  }

  test('reports that there is no fleet without Redis, and refuses wrong usage', async (t) => {
    const service = await startService(t)
    for (const place of [service, new Sandbox(t)]) {
      const { status, stderr } = await place.cli('fleet')
      assert.deepEqual([status, /no fleet without Redis/.test(stderr)], [1, true])
    }
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
})
