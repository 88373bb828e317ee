import { setTimeout as delay } from 'node:timers/promises'
import { createClient, type RedisClient } from '../../../src/redis/redis-client.ts'
import { parseRedisUrl } from '../../../src/redis/redis-target.ts'
import type { Claim, ClaimListener, ClaimOptions } from './claim.ts'

const lock = '{naive}:lock'
const counter = '{naive}:token'

/**
 * The lock that everybody writes first: SET NX PX, renewed while the value is one's own, a counter for the token, and
 * a flag for the guard. The suite must find what is wrong with it.
 */
export class NaiveLock implements Claim {
  readonly #options: ClaimOptions
  readonly #listener: ClaimListener
  readonly #client: RedisClient
  #token: number | undefined
  #isOver = false

  constructor(options: ClaimOptions, listener: ClaimListener) {
    this.#options = options
    this.#listener = listener
    this.#client = createClient(parseRedisUrl(options.url, 'The URL'), options.name)
    // It tries again, whatever happened.
    this.#client.on('error', () => {})
  }

  token(): number | undefined {
    return this.#token
  }

  acquire(): void {
    this.#isOver = false
    void this.#run()
  }

  check(): void {}

  async release(): Promise<void> {
    this.#isOver = true
    this.#token = undefined
    await this.#client.del(lock).catch(() => {})
  }

  close(): void {
    this.#isOver = true
    this.#client.disconnect()
  }

  async #run(): Promise<void> {
    const { name, ttlMs } = this.#options
    while (!this.#isOver) {
      try {
        if (this.#token === undefined) {
          if ((await this.#client.set(lock, name, 'PX', ttlMs, 'NX')) === 'OK') {
            this.#token = await this.#client.incr(counter)
            this.#listener.onHeld(this.#token, null)
          }
        } else if ((await this.#client.get(lock)) !== name) {
          this.#token = undefined
          this.#listener.onLost('another has it')
        } else await this.#client.pexpire(lock, ttlMs)
      } catch {
        // A renewal that failed is tried again: this is what makes it naive.
      }
      await delay(this.#token === undefined ? ttlMs / 10 : ttlMs / 5)
    }
  }
}
