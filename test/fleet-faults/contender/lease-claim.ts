import { messageOf } from '../../../src/errors.ts'
import { describeHolders } from '../../../src/lease/holders.ts'
import type { LeaseListener } from '../../../src/lease/lease.ts'
import { SharedLease } from '../../../src/lease/shared-lease.ts'
import { RedisLink } from '../../../src/redis/link.ts'
import { RedisLeaseStore } from '../../../src/redis/redis-lease-store.ts'
import { parseRedisUrl } from '../../../src/redis/redis-target.ts'
import { createLogger, standardOutput } from '../../../src/telemetry/logger.ts'
import type { Claim, ClaimListener, ClaimOptions } from './claim.ts'

/** The project's own lease. */
export function leaseClaim(options: ClaimOptions, listener: ClaimListener): Claim {
  const { url, name, ttlMs, replicas } = options
  let untilMs = 0
  let isTold = false
  const own: LeaseListener = {
    onHeld({ token }) {
      isTold = true
      listener.onHeld(token, untilMs)
    },
    onExtended(deadlineMs) {
      untilMs = deadlineMs
      if (isTold) listener.onExtended(deadlineMs)
    },
    onLost(cause) {
      if (isTold) listener.onLost(cause)
      isTold = false
      lease.acquire()
    },
    onContended: (hosts) => listener.onFailure(describeHolders(hosts, 'it')),
    onFailure: (error) => listener.onFailure(messageOf(error)),
  }
  const store = new RedisLeaseStore(
    new RedisLink(parseRedisUrl(url, 'The URL'), name, replicas),
    { instance: `${name}-${process.pid}`, host: name, lockId: name },
    { service: 'faults', slots: 1, ttlMs },
  )
  const log = createLogger({ service: name, role: 'primary' }, 'silent', standardOutput())
  const lease = new SharedLease(store, { host: name, mode: 'exclusive', ttlMs, log }, own)
  return {
    token: () => (lease.isValid() ? lease.grant?.token : undefined),
    acquire: () => lease.acquire(),
    check: () => lease.check(),
    close: () => lease.close(),
    async release() {
      isTold = false
      await lease.release()
    },
  }
}
