import { randomUUID } from 'node:crypto'
import { deferred } from '../../../src/async/deferred.ts'
import type { LeaseListener } from '../../../src/lease/lease.ts'
import { RedisLease } from '../../../src/lease/redis-lease.ts'
import { RedisLink } from '../../../src/redis/link.ts'
import { parseRedisUrl } from '../../../src/redis/target.ts'
import { createLogger } from '../../../src/telemetry/logger.ts'
import { type Contender, type Target, ttlMs } from '../target.ts'

const log = createLogger({ service: 'bench', role: 'primary' }, 'silent', { write() {} })

/** helloserver's own lease in full: with its deadlines, its timers and its connection for hints. */
export const sharedLease: Target = {
  name: 'helloserver',
  async open(port, lock) {
    const link = new RedisLink(parseRedisUrl(`redis://127.0.0.1:${port}`, 'the bench'), 'bench')
    await link.ready(2_000)
    return new SharedLease(link, lock)
  },
}

class SharedLease implements Contender, LeaseListener {
  readonly #lease: RedisLease
  #held = deferred<void>()
  #extended = deferred<void>()

  constructor(link: RedisLink, service: string) {
    const id = randomUUID()
    const who = { instance: id, host: id, place: id }
    const what = { service, mode: 'exclusive', slots: 1, ttlMs, log } as const
    this.#lease = new RedisLease(link, { ...who, ...what }, this)
  }

  async acquire(): Promise<void> {
    this.#held = deferred()
    this.#lease.seek()
    await this.#held.promise
  }

  async renew(): Promise<void> {
    this.#extended = deferred()
    this.#lease.check()
    await this.#extended.promise
  }

  release(): Promise<void> {
    return this.#lease.release()
  }

  close(): void {
    this.#lease.close()
  }

  onHeld(): void {
    this.#held.resolve()
  }

  onExtended(): void {
    this.#extended.resolve()
  }

  onContended(): void {}

  onTrouble(failure: Error): void {
    this.#held.reject(failure)
  }

  onLost(cause: string): void {
    this.#extended.reject(new Error(cause))
  }
}
