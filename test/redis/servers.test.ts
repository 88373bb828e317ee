import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeCertificates } from '../helpers/redis/certificates.ts'
import { RedisCluster } from '../helpers/redis/cluster.ts'
import { cannotFakeClocks } from '../helpers/redis/faked-clock.ts'
import { SentinelGroup } from '../helpers/redis/sentinel.ts'
import { RedisServer } from '../helpers/redis/server.ts'
import { waitFor } from '../helpers/wait-for.ts'

test('a Redis that is restarted has the data that it kept on disk, and no other', async (t) => {
  const [forgetful, durable] = await Promise.all([
    RedisServer.start(t),
    RedisServer.start(t, { isDurable: true }),
  ])
  for (const server of [forgetful, durable]) {
    await server.command('SET', 'key', 'value')
    await server.restart()
  }
  assert.equal(await forgetful.command('GET', 'key'), '')
  assert.equal(await durable.command('GET', 'key'), 'value')
})

test('a faked clock that jumps is the clock of Redis', { skip: cannotFakeClocks }, async (t) => {
  const server = await RedisServer.start(t, { hasFakedClock: true })
  const secondsNow = async () => Number((await server.command('TIME')).split('\n')[0])
  await server.command('SET', 'key', 'value', 'PX', '30000')
  server.setClock(60)
  assert.ok((await secondsNow()) - Date.now() / 1000 > 50)
  assert.equal(await server.command('GET', 'key'), '', 'its expiry is a time on the wall')
  server.setClock(-3600)
  assert.ok((await secondsNow()) - Date.now() / 1000 < -3500)
})

test('a Redis requires the credentials and the TLS that it was started with', async (t) => {
  const tls = makeCertificates(t)
  for (const options of [
    { password: 'secret' },
    { user: { name: 'fleet', password: 'secret' } },
    { tls },
    { tls, password: 'secret' },
  ]) {
    const server = await RedisServer.start(t, options)
    assert.equal(await server.command('PING'), 'PONG')
  }
})

test('the Sentinels promote a replica when the master is killed', async (t) => {
  const group = await SentinelGroup.start(t)
  const master = await group.master()
  await master.command('SET', 'key', 'value')
  const [, replica] = group.servers
  await waitFor('the value at the replica', () => replica?.command('GET', 'key'))
  await master.kill()
  const next = await group.promoted(master)
  assert.equal(await next.command('GET', 'key'), 'value')
})

test('a cluster serves all slots', async (t) => {
  const { servers } = await RedisCluster.start(t, { replicas: 1 })
  for (const server of servers) {
    assert.match(await server.command('CLUSTER', 'INFO'), /cluster_slots_ok:16384/)
  }
})
