import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { deferred } from '../../src/async/deferred.ts'
import { RedisLink } from '../../src/redis/link.ts'
import { parseRedisUrl } from '../../src/redis/redis-target.ts'
import { RedisCluster } from '../helpers/redis/cluster.ts'
import { RedisServer } from '../helpers/redis/server.ts'
import { waitFor } from '../helpers/wait-for.ts'

test('a subscription survives silence, and a restart of its server', async (t) => {
  const server = await RedisServer.start(t)
  const link = new RedisLink(parseRedisUrl(server.url, 'The URL'), 'link')
  t.after(() => link.close())
  const heard: (string | undefined)[] = []
  link.subscribe('channel', (message) => heard.push(message))
  const subscribers = async () => {
    const clients = await server.command('CLIENT', 'LIST', 'TYPE', 'PUBSUB')
    return [...clients.matchAll(/\bid=(\d+)/g)].map(([, id]) => id)
  }
  await waitFor('a subscription', async () => (await subscribers()).length === 1)
  const [first] = await subscribers()
  await waitFor('the hint that there may have been others before', () => heard.length === 1)
  assert.equal(heard[0], undefined)
  // Three times as long as a connection that waits for an answer may be silent.
  await delay(1_500)
  assert.deepEqual(await subscribers(), [first], 'it is still the same connection')
  await server.command('PUBLISH', 'channel', 'one')
  await waitFor('a message', () => heard.includes('one'))
  await server.restart()
  await waitFor('a subscription', async () => (await subscribers()).length === 1)
  await server.command('PUBLISH', 'channel', 'two')
  await waitFor('a message', () => heard.includes('two'))
  assert.deepEqual(heard, [undefined, 'one', undefined, 'two'])
})

test('a subscription that has ended is not renewed', async (t) => {
  const server = await RedisServer.start(t)
  const link = new RedisLink(parseRedisUrl(server.url, 'The URL'), 'link')
  t.after(() => link.close())
  const joined = deferred<void>()
  const unsubscribe = link.subscribe('channel', () => joined.resolve())
  await joined.promise
  unsubscribe()
  const clients = () => server.command('CLIENT', 'LIST')
  await waitFor('its end', async () => !(await clients()).includes('name=link:hints'))
  await server.restart()
  await link.ready(5_000)
  assert.match(await clients(), /name=link /)
  assert.doesNotMatch(await clients(), /name=link:hints/)
})

test('in a cluster, a subscription that ends while it begins leaves nothing behind', async (t) => {
  const { servers } = await RedisCluster.start(t)
  const link = new RedisLink(
    parseRedisUrl(`redis+cluster://${addressesOf(servers)}`, 'The URL'),
    'link',
  )
  t.after(() => link.close())
  await link.ready(5_000)
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const before = timers()
  // A subscription takes some milliseconds to begin; this ends it at every moment in them.
  for (let round = 0; round < 150; round += 1) {
    const unsubscribe = link.subscribe('channel', () => {})
    await delay(round % 15)
    unsubscribe()
  }
  await waitFor('the end of what they have begun', () => timers() <= before)
})

test('in a cluster, a subscription moves to another node when its own is gone', async (t) => {
  const { servers } = await RedisCluster.start(t)
  const link = new RedisLink(
    parseRedisUrl(`redis+cluster://${addressesOf(servers)}`, 'The URL'),
    'link',
  )
  t.after(() => link.close())
  const heard: (string | undefined)[] = []
  link.subscribe('channel', (message) => heard.push(message))
  const node = await waitFor('a subscription', async () => {
    const counts = await Promise.all(
      servers.map((server) => server.command('PUBSUB', 'NUMSUB', 'channel')),
    )
    return servers[counts.indexOf('channel\n1')]
  })
  await node.kill()
  const other = servers.find((server) => server !== node)
  await waitFor('a message', async () => {
    await other?.command('PUBLISH', 'channel', 'moved')
    return heard.includes('moved')
  })
})

function addressesOf(servers: readonly RedisServer[]): string {
  return servers.map(({ address }) => `${address.host}:${address.port}`).join(',')
}
