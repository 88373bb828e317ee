import { messageOf } from '../../../src/errors.ts'
import type { LeaseListener } from '../../../src/lease/lease.ts'
import { RedisLease } from '../../../src/lease/redis-lease.ts'
import { whoHas } from '../../../src/lease/who-has.ts'
import { RedisLink } from '../../../src/redis/link.ts'
import { parseRedisUrl } from '../../../src/redis/target.ts'
import { createLogger, standardOutput } from '../../../src/telemetry/logger.ts'
import type { Claim, ClaimListener, ClaimOptions } from './claim.ts'

/** The project's own lease. */
export function sharedLease(options: ClaimOptions, listener: ClaimListener): Claim {
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
      lease.seek()
    },
    onContended: (hosts) => listener.onTrouble(whoHas('it', hosts)),
    onTrouble: (error) => listener.onTrouble(messageOf(error)),
  }
  const lease = new RedisLease(
    new RedisLink(parseRedisUrl(url, 'The URL'), name, replicas),
    {
      service: 'faults',
      mode: 'exclusive',
      slots: 1,
      instance: `${name}-${process.pid}`,
      host: name,
      place: name,
      ttlMs,
      log: createLogger({ service: name, role: 'primary' }, 'silent', standardOutput()),
    },
    own,
  )
  return {
    token: () => (lease.isValid() ? lease.grant?.token : undefined),
    seek: () => lease.seek(),
    check: () => lease.check(),
    close: () => lease.close(),
    async release() {
      isTold = false
      await lease.release()
    },
  }
}
