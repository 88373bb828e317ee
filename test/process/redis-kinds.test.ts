import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { ask } from '../helpers/client.ts'
import { becomes, Hosts, tokenOf } from '../helpers/hosts.ts'
import { makeCertificates } from '../helpers/redis/certificates.ts'
import { RedisCluster } from '../helpers/redis/cluster.ts'
import { masterName, SentinelGroup } from '../helpers/redis/sentinel.ts'
import { RedisServer } from '../helpers/redis/server.ts'
import { storeRelease } from '../helpers/redis/store-release.ts'
import type { Service } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

/** Expects that one host serves, that the other stands by, and that it takes over when the first one stops. */
async function assertShared(hosts: Hosts): Promise<Service> {
  const first = await hosts.start('one')
  const one = await becomes(first, 'serving')
  const second = await hosts.start('two')
  assert.equal((await second.status()).lease?.holder, 'one')
  await first.stop()
  const two = await becomes(second, 'serving')
  assert.ok(tokenOf(two) > tokenOf(one))
  assert.equal((await ask(two.listen.port, 'a\r\n')).text, 'a\r\n')
  return second
}

/** Fails when a password appears in the log, the output or the arguments of a service. */
async function assertSecret(host: Service, password: string): Promise<void> {
  const said = [host.sandbox.log()]
  for (const args of [['status'], ['status', '--json'], ['check']]) {
    const { stdout, stderr } = await host.cli(...args)
    said.push(stdout, stderr)
  }
  for (const pid of host.sandbox.processes()) {
    said.push(readFileSync(`/proc/${pid}/cmdline`, 'utf8'))
  }
  for (const text of said) assert.doesNotMatch(text, new RegExp(password))
}

/** The rights that docs/fleet.md tells to give to a user of Redis. */
function documentedRights(): string {
  const text = readFileSync(new URL('../../../docs/fleet.md', import.meta.url), 'utf8')
  const [, rights = ''] = /^ +ACL SETUSER \w+ (on .*(?:\n +\+.*)*)/m.exec(text) ?? []
  assert.match(rights, /\+evalsha/)
  return rights
}

describe('kinds of Redis', { concurrency: 2 }, () => {
  test('with a password, which is never shown', async (t) => {
    const redis = await RedisServer.start(t, { password: 'hush4711' })
    await assertSecret(await assertShared(await Hosts.of(t, { redis })), 'hush4711')
  })

  test('with a user of its own', async (t) => {
    const user = { name: 'fleet', password: 'hush4712' }
    await assertShared(await Hosts.of(t, { redis: await RedisServer.start(t, { user }) }))
  })

  test('with a user that has only the documented rights', async (t) => {
    const redis = await RedisServer.start(t)
    const words = documentedRights()
      .replaceAll('NAME', 'helloserver')
      .replace('PASSWORD', 'secret')
      .split(/\s+/)
      // As the documentation says of Redis 6.0.
      .filter((word) => storeRelease() >= 6.2 || !word.startsWith('&'))
    await redis.command('ACL', 'SETUSER', 'fleet', ...words)
    const url = `redis://fleet:secret@127.0.0.1:${redis.address.port}`
    await assertShared(await Hosts.of(t, { redis, url }))
    assert.equal(await redis.command('ACL', 'LOG'), '', 'something was tried that is forbidden')
  })

  test('over TLS, with a private authority', async (t) => {
    const tls = makeCertificates(t)
    const redis = await RedisServer.start(t, { tls, password: 'secret' })
    const environment = { NODE_EXTRA_CA_CERTS: tls.authority }
    await assertShared(await Hosts.of(t, { redis, environment }))
  })

  test('in a database of its own', async (t) => {
    const redis = await RedisServer.start(t)
    await assertShared(await Hosts.of(t, { redis, url: `${redis.url}/3` }))
    const holderIn = (database: number) => {
      const script = `redis.call('SELECT', ${database}) return redis.call('HGET', KEYS[1], 'host')`
      return redis.command('EVAL', script, '1', '{hs:helloserver}:lease')
    }
    assert.deepEqual([await holderIn(0), await holderIn(3)], ['', 'two'])
  })

  test('through sentinels: a failover does not cost the holder its lease', async (t) => {
    const group = await SentinelGroup.start(t)
    const master = await group.master()
    const addresses = group.addresses.map(({ host, port }) => `${host}:${port}`).join(',')
    const url = `redis+sentinel://${addresses}/${masterName}`
    const lease = { ttlMs: 6_000 }
    const hosts = await Hosts.of(t, { redis: master, url, lease })
    const first = await hosts.start('one')
    const token = tokenOf(await becomes(first, 'serving'))
    const second = await hosts.start('two')
    await master.kill()
    const promoted = await group.promoted(master)
    await waitFor('a renewal at the new master', async () => {
      const fields = ['state', 'epoch']
      const record = await promoted.command('HMGET', '{hs:helloserver}:lease', ...fields)
      return record === `held\n${await promoted.info('run_id')}`
    })
    assert.equal(tokenOf(await first.status()), token)
    assert.equal((await second.status()).state, 'standby')
    await first.stop()
    assert.ok(tokenOf(await becomes(second, 'serving')) > token)
  })

  test('a cluster', async (t) => {
    const { servers } = await RedisCluster.start(t)
    const [redis] = servers
    assert.ok(redis)
    // One of its nodes is enough to find the others.
    const url = `redis+cluster://127.0.0.1:${redis.address.port}`
    await assertShared(Hosts.ofNew(t, redis, { url }))
  })

  test('with lease.replicas, a grant counts only when a replica has it', async (t) => {
    const redis = await RedisServer.start(t)
    const hosts = await Hosts.of(t, { redis, lease: { replicas: 1 }, allow: [/Lost the lease/] })
    const host = await hosts.start('one')
    assert.equal((await host.status()).state, 'standby')
    await host.sandbox.logged(/has too few replicas in sync/)
    const replica = await RedisServer.start(t, { replicaOf: redis })
    await becomes(host, 'serving')
    await replica.pause()
    await becomes(host, 'standby')
    replica.resume()
    await becomes(host, 'serving')
  })

  test('a Redis that is started later is found', async (t) => {
    const redis = await RedisServer.start(t)
    await redis.kill()
    const host = await Hosts.ofNew(t, redis).start('one')
    const { state, lease } = await host.status()
    assert.equal(state, 'standby')
    assert.match(lease?.reason ?? '', /refuses connections/)
    await redis.start()
    await becomes(host, 'serving')
  })

  test('scripts that are flushed are loaded again', async (t) => {
    const hosts = await Hosts.of(t)
    const host = await hosts.start('one')
    const token = tokenOf(await host.status())
    await hosts.redis.command('SCRIPT', 'FLUSH')
    const sequence = () => hosts.redis.command('HGET', '{hs:helloserver}:lease', 'seq')
    const before = await sequence()
    await waitFor('a renewal', async () => (await sequence()) !== before)
    assert.equal(tokenOf(await host.status()), token)
  })
})
