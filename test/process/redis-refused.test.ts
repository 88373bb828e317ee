import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { exitStatus, exitStatusOf, messageOf } from '../../src/errors.ts'
import type { Started } from '../../src/launch/boot-report.ts'
import { freePort } from '../helpers/free-port.ts'
import { startCannedRedis } from '../helpers/redis/canned-redis.ts'
import { makeCertificates } from '../helpers/redis/certificates.ts'
import { RedisCluster } from '../helpers/redis/cluster.ts'
import { RedisServer } from '../helpers/redis/server.ts'
import { Sandbox, type Settings } from '../helpers/sandbox.ts'

const allow = [/"level":"fatal".*The start failed/]

/** Starts a service with a Redis URL until it has failed or stands by. */
async function startWith(t: TestContext, url: string, lease: Settings = {}) {
  const sandbox = new Sandbox(t, {
    config: { lease },
    environment: { HELLOSERVER_REDIS_URL: url },
    allow,
  })
  return { sandbox, result: await outcomeOf(sandbox.start()) }
}

/** The outcome of a start: the exit status of its command, and the line that it prints. */
interface Outcome {
  readonly status: number
  readonly told: string
}

async function outcomeOf(start: Promise<Started>): Promise<Outcome> {
  try {
    const started = await start
    assert.equal(started.outcome, 'standby')
    return { status: exitStatus.done, told: 'reason' in started ? started.reason : '' }
  } catch (error) {
    return { status: exitStatusOf(error), told: messageOf(error) }
  }
}

/** Expects the exit status of a bad configuration. */
function assertRefused({ status, told }: Outcome, reason: RegExp): void {
  assert.equal(status, exitStatus.badConfig, told)
  assert.match(told, /^[^\n]+$/)
  assert.match(told, reason)
}

/** Expects that the service stands by. */
function assertStandsBy({ status, told }: Outcome, reason: RegExp): void {
  assert.equal(status, exitStatus.done, told)
  assert.match(told, /^[^\n]+$/)
  assert.match(told, reason)
}

describe('a Redis that cannot be used', { concurrency: 2 }, () => {
  for (const [url, problem] of [
    ['http://127.0.0.1', 'it is not a Redis URL'],
    ['redis+sentinel://127.0.0.1', 'it does not name the group that the sentinels watch'],
  ] as const) {
    test(`start and check refuse the URL ${url}`, async (t) => {
      const { sandbox, result } = await startWith(t, url)
      assertRefused(result, new RegExp(`HELLOSERVER_REDIS_URL: ${problem}; it must be redis://`))
      const { status, stderr } = await sandbox.cli('check')
      assert.equal(status, exitStatus.badConfig)
      assert.match(stderr, new RegExp(`^helloserver: [^\\n]*${problem}[^\\n]*\\n$`))
    })
  }

  test('a password that is wrong, and one that is missing', async (t) => {
    const server = await RedisServer.start(t, { password: 'right' })
    const { port } = server.address
    const wrong = await startWith(t, `redis://:wrong@127.0.0.1:${port}`)
    assertRefused(
      wrong.result,
      new RegExp(`^Redis at 127.0.0.1:${port} rejects the password$`, 'm'),
    )
    const none = await startWith(t, `redis://127.0.0.1:${port}`)
    assertRefused(none.result, /requires a password$/m)
  })

  test('a user without the rights that are needed', async (t) => {
    const server = await RedisServer.start(t)
    await server.command('ACL', 'SETUSER', 'weak', 'on', '>secret', '~*', '&*', '+info')
    const { result } = await startWith(t, `redis://weak:secret@127.0.0.1:${server.address.port}`)
    assertRefused(result, /denies the user a permission that is needed \(NOPERM.*'evalsha'/)
  })

  test('a replica', async (t) => {
    const master = await RedisServer.start(t)
    const replica = await RedisServer.start(t, { replicaOf: master })
    const { result } = await startWith(t, replica.url)
    assertRefused(result, /is a read-only replica; name the master, or use redis\+sentinel:/)
  })

  test('a cluster that is addressed as a server, and the reverse', async (t) => {
    const [cluster, single] = await Promise.all([RedisCluster.start(t), RedisServer.start(t)])
    const [server] = cluster.servers
    const asServer = await startWith(t, server?.url ?? '')
    assertRefused(asServer.result, /is part of a cluster; use redis\+cluster:/)
    const { result } = await startWith(t, single.url.replace('redis:', 'redis+cluster:'))
    assertRefused(result, /is not a cluster; use redis:/)
  })

  test('a version that is too old', async (t) => {
    const port = await startCannedRedis(t, '5.0.14')
    const { result } = await startWith(t, `redis://127.0.0.1:${port}`)
    assertRefused(result, /is version 5\.0\.14; it must be 6\.0 or newer/)
  })

  test('a database that it does not have', async (t) => {
    const server = await RedisServer.start(t)
    const { result } = await startWith(t, `${server.url}/99`)
    assertRefused(result, /does not have that database/)
  })

  test('TLS to a plain server, none to a TLS server, and a certificate of an unknown authority', async (t) => {
    const [plain, secure] = await Promise.all([
      RedisServer.start(t),
      RedisServer.start(t, { tls: makeCertificates(t) }),
    ])
    const toPlain = await startWith(t, plain.url.replace('redis:', 'rediss:'))
    assertStandsBy(toPlain.result, /does not answer in time; does it speak TLS\?/)
    const toSecure = await startWith(t, secure.url.replace('rediss:', 'redis:'))
    assertStandsBy(toSecure.result, /has closed the connection; does it require TLS \(rediss:/)
    const unknown = await startWith(t, secure.url)
    assertRefused(unknown.result, /cannot be reached over TLS \(.*certificate.*\)/)
  })

  test('a name that does not resolve', async (t) => {
    const { result } = await startWith(t, 'redis://redis.invalid')
    assertStandsBy(result, /Redis at redis\.invalid:6379 has a name that cannot be resolved/)
  })

  test('a sentinel address at which another server listens, or none', async (t) => {
    const server = await RedisServer.start(t)
    const atServer = `redis+sentinel://127.0.0.1:${server.address.port}/hs`
    assertRefused(
      (await startWith(t, atServer)).result,
      /the server at that address is not a sentinel/,
    )
    const atNobody = `redis+sentinel://127.0.0.1:${await freePort()}/hs`
    assertStandsBy((await startWith(t, atNobody)).result, /no sentinel answers/)
  })

  test('too few replicas', async (t) => {
    const server = await RedisServer.start(t)
    const { sandbox, result } = await startWith(t, server.url, { replicas: 1 })
    assertStandsBy(result, /Redis at /)
    // On a busy machine, the first answer may be late.
    await sandbox.logged(/has too few replicas in sync/)
  })

  test('a Redis that is paused', async (t) => {
    const server = await RedisServer.start(t)
    await server.pause()
    assertStandsBy((await startWith(t, server.url)).result, /does not answer in time/)
  })
})
