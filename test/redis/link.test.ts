import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { RedisLink } from '../../src/redis/link.ts'
import { parseRedisUrl } from '../../src/redis/redis-target.ts'
import type { Cleanup } from '../helpers/cleanup.ts'
import { listenAsRedis } from '../helpers/redis/canned-redis.ts'
import { RedisServer } from '../helpers/redis/server.ts'
import { waitFor } from '../helpers/wait-for.ts'

/** A Sentinel whose answers a test controls. */
class ScriptedSentinel {
  readonly #subscribers = new Set<Socket>()
  readonly #waiting: (() => void)[] = []
  /** Whether it delays its answer to clients that ask for the master. */
  isSilent = false
  readonly port: number

  private constructor(port: number) {
    this.port = port
  }

  static async start(t: Cleanup, masterPort: number): Promise<ScriptedSentinel> {
    const port = await listenAsRedis(t, (socket, request) =>
      sentinel.#answer(socket, request, masterPort),
    )
    const sentinel: ScriptedSentinel = new ScriptedSentinel(port)
    return sentinel
  }

  get subscribers(): number {
    return this.#subscribers.size
  }

  get waiting(): number {
    return this.#waiting.length
  }

  announceMaster(): void {
    for (const socket of this.#subscribers) {
      socket.write('>3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n$1\r\nx\r\n')
    }
  }

  /** Answers the clients that are still waiting. */
  speak(): void {
    this.isSilent = false
    for (const answer of this.#waiting.splice(0)) answer()
  }

  #answer(socket: Socket, request: string, masterPort: number): void {
    if (request.includes('get-master-addr-by-name')) {
      const port = String(masterPort)
      const answer = () => socket.write(`*2\r\n$9\r\n127.0.0.1\r\n$${port.length}\r\n${port}\r\n`)
      if (this.isSilent) this.#waiting.push(answer)
      else answer()
    } else if (request.includes('subscribe')) {
      this.#subscribers.add(socket)
      socket.write('>3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master\r\n:1\r\n')
    } else if (request.includes('sentinels')) socket.write('*0\r\n')
    else if (request.includes('hello')) socket.write('%1\r\n$5\r\nproto\r\n:3\r\n')
    else socket.write('+OK\r\n')
  }
}

test('a link survives the announcement of another master while it connects', async (t) => {
  const redis = await RedisServer.start(t)
  const sentinel = await ScriptedSentinel.start(t, redis.address.port)
  const url = `redis+sentinel://127.0.0.1:${sentinel.port}/group`
  const link = new RedisLink(parseRedisUrl(url, 'The URL'), 'link')
  t.after(() => link.close())
  await link.ready(5_000)
  await waitFor('a subscription', () => sentinel.subscribers > 0)
  sentinel.isSilent = true
  await redis.kill()
  await waitFor('a question for the master', () => sentinel.waiting > 0)
  sentinel.announceMaster()
  await redis.start()
  sentinel.speak()
  await link.ready(5_000)
  assert.ok((await link.info('server')).has('run_id'))
})
