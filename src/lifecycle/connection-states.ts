import type { Transitions } from './machine.ts'

/**
 * The life of an accepted connection, as the primary accounts for it.
 *
 * `shed`: the queue had no room. `expired`: waited too long. `gone`: the client left before its turn, or
 * before a byte had passed.
 */
export type ConnectionState =
  | 'queued'
  | 'offered'
  | 'claimed'
  | 'served'
  | 'failed'
  | 'shed'
  | 'expired'
  | 'gone'

export type ConnectionEvent =
  | 'offer'
  | 'requeue'
  | 'claim'
  | 'serve'
  | 'fail'
  | 'shed'
  | 'expire'
  | 'leave'

export const connectionTransitions: Transitions<ConnectionState, ConnectionEvent> = {
  // Where workers take connections by themselves, taking is claiming; else, it takes an offer.
  queued: {
    offer: 'offered',
    claim: 'claimed',
    shed: 'shed',
    expire: 'expired',
    leave: 'gone',
    fail: 'failed',
  },
  offered: { claim: 'claimed', requeue: 'queued', leave: 'gone', fail: 'failed' },
  claimed: { serve: 'served', leave: 'gone', fail: 'failed' },
  served: {},
  failed: {},
  shed: {},
  expired: {},
  gone: {},
}
