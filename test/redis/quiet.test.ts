import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { test } from 'node:test'
import { freePort } from '../helpers/free-port.ts'
import { listenAsRedis } from '../helpers/redis/canned-redis.ts'
import { RedisServer } from '../helpers/redis/server.ts'
import { resultOf } from '../helpers/sandbox.ts'

const linkModule = new URL('../../src/redis/link.js', import.meta.url).href
const targetModule = new URL('../../src/redis/redis-target.js', import.meta.url).href

test('nothing is printed about Sentinels that cannot be reached, while another one can', async (t) => {
  const master = await RedisServer.start(t)
  const address = ['127.0.0.1', String(master.address.port)]
  const reply = `*2\r\n${address.map((part) => `$${part.length}\r\n${part}\r\n`).join('')}`
  const sentinel = await listenAsRedis(t, (socket, request) => {
    socket.write(
      /get-master-addr/i.test(request) ? reply : /sentinels/i.test(request) ? '*0\r\n' : '+OK\r\n',
    )
  })
  const silent = await listenAsRedis(t, () => {})
  const [dead, gone] = [await freePort(), await freePort()]
  const hosts = [dead, silent, sentinel, gone].map((port) => `127.0.0.1:${port}`).join()
  const program = `
    import { RedisLink } from '${linkModule}'
    import { parseRedisUrl } from '${targetModule}'
    const link = new RedisLink(parseRedisUrl('redis+sentinel://${hosts}/hs', 'The URL'), 'quiet')
    await link.ready(10_000)
    link.subscribe('channel', () => setTimeout(() => process.exit(0), 1_500))`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  assert.deepEqual(await resultOf(child), { status: 0, signal: null, stdout: '', stderr: '' })
})
