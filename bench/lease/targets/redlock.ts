import { Redis } from 'ioredis'
import Redlock, { type Lock } from 'redlock'
import { type Contender, type Target, ttlMs } from '../target.ts'

/** redlock with one Redis instance and its own defaults. */
export const redlock: Target = {
  name: 'redlock',
  async open(port, lock) {
    const redis = new Redis({ host: '127.0.0.1', port })
    await redis.ping()
    return new RedlockContender(redis, lock)
  },
}

class RedlockContender implements Contender {
  readonly #redis: Redis
  readonly #name: string
  readonly #redlock: Redlock
  #lock: Lock | undefined

  constructor(redis: Redis, name: string) {
    this.#name = name
    this.#redis = redis
    this.#redlock = new Redlock([redis])
  }

  async acquire(): Promise<void> {
    this.#lock = await this.#redlock.lock(this.#name, ttlMs)
  }

  async renew(): Promise<void> {
    this.#lock = await this.#lock?.extend(ttlMs)
  }

  async release(): Promise<void> {
    await this.#lock?.unlock()
  }

  close(): void {
    this.#redis.disconnect()
  }
}
