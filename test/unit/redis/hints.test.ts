import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { RedisLink } from '../../../src/redis/link.ts'
import { parseRedisUrl } from '../../../src/redis/target.ts'
import { RedisServer } from '../../helpers/redis/server.ts'
import { waitFor } from '../../helpers/wait-for.ts'

test('a subscription outlives silence, and comes back when its server does', async (t) => {
  const server = await RedisServer.start(t)
  const link = new RedisLink(parseRedisUrl(server.url, 'The URL'), 'link')
  t.after(() => link.close())
  const heard: string[] = []
  link.subscribe('channel', (message) => heard.push(message))
  const subscribers = async () => {
    const clients = await server.command('CLIENT', 'LIST', 'TYPE', 'PUBSUB')
    return [...clients.matchAll(/\bid=(\d+)/g)].map(([, id]) => id)
  }
  await waitFor('a subscription', async () => (await subscribers()).length === 1)
  const [first] = await subscribers()
  // Three times as long as a connection may be silent that waits for an answer.
  await delay(1_500)
  assert.deepEqual(await subscribers(), [first], 'it is still the same connection')
  await server.command('PUBLISH', 'channel', 'one')
  await waitFor('a message', () => heard.includes('one'))
  await server.restart()
  await waitFor('a subscription', async () => (await subscribers()).length === 1)
  await server.command('PUBLISH', 'channel', 'two')
  await waitFor('a message', () => heard.includes('two'))
})
