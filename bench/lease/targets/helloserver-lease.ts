import { randomUUID } from 'node:crypto'
import { deferred } from '../../../src/async/deferred.ts'
import type { LeaseListener } from '../../../src/lease/lease.ts'
import { SharedLease } from '../../../src/lease/shared-lease.ts'
import { RedisLink } from '../../../src/redis/link.ts'
import { RedisLeaseStore } from '../../../src/redis/redis-lease-store.ts'
import { parseRedisUrl } from '../../../src/redis/redis-target.ts'
import { createLogger } from '../../../src/telemetry/logger.ts'
import { type Contender, type Target, ttlMs } from '../target.ts'

const log = createLogger({ service: 'bench', role: 'primary' }, 'silent', { write() {} })

/** helloserver's own lease in full: with its deadlines, its timers and its connection for hints. */
export const helloserverLease: Target = {
  name: 'helloserver',
  async open(port, lock) {
    const link = new RedisLink(parseRedisUrl(`redis://127.0.0.1:${port}`, 'the bench'), 'bench')
    await link.ready(2_000)
    return new LeaseContender(link, lock)
  },
}

class LeaseContender implements Contender, LeaseListener {
  readonly #lease: SharedLease
  #held = deferred<void>()
  #extended = deferred<void>()

  constructor(link: RedisLink, service: string) {
    const id = randomUUID()
    const contender = { instance: id, host: id, lockId: id }
    const store = new RedisLeaseStore(link, contender, { service, slots: 1, ttlMs })
    this.#lease = new SharedLease(store, { host: id, mode: 'exclusive', ttlMs, log }, this)
  }

  async acquire(): Promise<void> {
    this.#held = deferred()
    this.#lease.acquire()
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

  onFailure(failure: Error): void {
    this.#held.reject(failure)
  }

  onLost(cause: string): void {
    this.#extended.reject(new Error(cause))
  }
}
