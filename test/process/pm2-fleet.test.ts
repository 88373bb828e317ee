import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { fleetOf, memberConfig, memberOptions, startFleet } from '../helpers/fleet.ts'
import { FleetLoad } from '../helpers/fleet-load.ts'
import { freePort } from '../helpers/free-port.ts'
import { ttlMs, wasUsedBefore } from '../helpers/hosts.ts'
import { Pm2 } from '../helpers/pm2.ts'
import { RedisServer } from '../helpers/redis/server.ts'
import type { Service } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

/** Answers with the token that it serves by. */
const teller = `export default {
  async handle(connection, context) {
    await connection.readLine()
    await connection.write(context.lease.token + '\\r\\n')
  },
}`

/** Two hosts of one service, each under a pm2 of its own, and clients that go to whichever serves. */
async function twoHosts(t: TestContext) {
  const redis = await RedisServer.start(t)
  await wasUsedBefore(redis)
  const ports = await Promise.all([freePort(), freePort()])
  const hosts = ports.map(
    (port, at) =>
      new Pm2(t, {
        app: teller,
        config: {
          port,
          lease: { host: `host-${at + 1}`, ttlMs },
          fleet: { maxDown: ports.length },
        },
        environment: { HELLOSERVER_REDIS_URL: redis.url },
      }),
  )
  for (const host of hosts) await host.start()
  const load = new FleetLoad(ports, 2)
  await waitFor('the first answers', () => load.answered > 10)
  return { hosts, load }
}

describe('a fleet under pm2', () => {
  test('pm2 reload on all hosts at once: the holder goes on, and nobody notices', async (t) => {
    const { hosts, load } = await twoHosts(t)
    const states = async () => Promise.all(hosts.map(async (host) => (await host.status()).state))
    assert.deepEqual(await states(), ['serving', 'standby'])
    await Promise.all(hosts.map((host) => host.do('reload', 'helloserver')))
    const before = load.answered
    await waitFor('answers after the reload', () => load.answered > before + 10)
    const { answers, failures } = await load.stop()
    assert.deepEqual(failures, [])
    assert.equal(new Set(answers).size, 1, 'the lease has moved')
    for (const host of hosts) {
      const { generation, lastReload } = await host.status()
      assert.deepEqual([generation, lastReload?.outcome], [2, 'done'])
    }
    assert.deepEqual(await states(), ['serving', 'standby'])
    // While there is a Redis to do it in good order with.
    await Promise.all(hosts.map((host) => host.do('stop', 'helloserver')))
  })

  test('a restart whose turn comes after pm2 has given up to wait is one all the same', async (t) => {
    const one = { config: { workers: 1 } }
    const redis = await RedisServer.start(t)
    const [other] = (await startFleet(t, redis, ['web1'], one)) as [Service]
    const pm2 = new Pm2(t, {
      ...memberOptions(redis, 'web2', one),
      entry: { kill_timeout: 1_000, listen_timeout: 2_000 },
    })
    const before = await pm2.start()
    other.signal('SIGSTOP')
    await waitFor('a dead host', async () => (await fleetOf(before)).hosts[0]?.state === 'dead')
    // What no upgrade can do: the restart is a stop, which needs a turn.
    const lease = { mode: 'off', host: 'web2', ttlMs: 5_000 }
    pm2.sandbox.configure(memberConfig('web2', { config: { workers: 1, lease } }))
    await pm2.do('restart', 'helloserver')
    await pm2.logged(/Waiting for the primary to end: waiting for a permit/)
    assert.equal((await before.status()).pid, before.pid)
    other.signal('SIGCONT')
    await waitFor('another primary', async () => {
      const status = await pm2.status().catch(() => undefined)
      return status?.state === 'serving' && status.pid !== before.pid && status.supervisor.attached
    })
  })
})
