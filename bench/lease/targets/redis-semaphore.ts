import { Redis } from 'ioredis'
import { Mutex } from 'redis-semaphore'
import { type Contender, type Target, ttlMs } from '../target.ts'

/** redis-semaphore's Mutex, with its own defaults except for how long the lock lasts. */
export const redisSemaphore: Target = {
  name: 'redis-semaphore',
  async open(port, lock) {
    const redis = new Redis({ host: '127.0.0.1', port })
    await redis.ping()
    return new MutexContender(redis, lock)
  },
}

class MutexContender extends Mutex implements Contender {
  readonly #redis: Redis

  constructor(redis: Redis, lock: string) {
    super(redis, lock, { lockTimeout: ttlMs })
    this.#redis = redis
  }

  async renew(): Promise<void> {
    // oxlint-disable-next-line no-underscore-dangle -- only subclasses can reach its renewal
    if (!(await this._refresh())) throw new Error('The lock is lost')
  }

  close(): void {
    this.#redis.disconnect()
  }
}
