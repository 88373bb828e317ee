import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Network, noNetworks } from '../helpers/network.ts'
import { Proxy } from '../helpers/proxy.ts'
import { redisCli } from '../helpers/redis/redis-cli.ts'
import { RedisServer } from '../helpers/redis/server.ts'

const skip = noNetworks() ?? false

for (const cut of ['outgoing', 'incoming', 'both'] as const) {
  test(`a host whose cable is cut (${cut}) cannot be reached until it is repaired`, {
    skip,
  }, async (t) => {
    const network = new Network(t)
    const [one, other] = [network.host(), network.host()]
    const { address } = await RedisServer.start(t, { host: one })
    const ping = () => redisCli(address, ['PING'], other)
    assert.equal(await ping(), 'PONG')
    one.cut(cut)
    await assert.rejects(ping())
    one.mend()
    assert.equal(await ping(), 'PONG')
  })
}

test('a proxy holds back and drops what it is told to', async (t) => {
  const server = await RedisServer.start(t)
  const proxy = await Proxy.start(t, server.address.port)
  const through = { host: '127.0.0.1', port: proxy.port }
  proxy.set({ requests: 'hold' })
  const held = redisCli(through, ['SET', 'held', 'yes'])
  assert.equal(await server.command('EXISTS', 'held'), '0')
  proxy.set({})
  assert.equal(await held, 'OK')
  proxy.set({ replies: 'drop' })
  await assert.rejects(redisCli(through, ['SET', 'unanswered', 'yes']))
  assert.equal(await server.command('GET', 'unanswered'), 'yes')
  proxy.set({})
  assert.equal(await redisCli(through, ['PING']), 'PONG')
})
