import type { Transitions } from './machine.ts'

/**
 * What a host has to do with the lease.
 *
 * - `idle`: nothing.
 * - `seeking`: it asks for it, again and again.
 * - `held`: it has it, and makes it last longer.
 */
export type LeaseState = 'idle' | 'seeking' | 'held'

export type LeaseEvent =
  | 'seek'
  | 'granted'
  /** It goes on with what another process of this host was granted. */
  | 'resume'
  /** Another has it, or it could not be made to last longer. */
  | 'lost'
  /** It is given up, passed on, or no longer wanted. */
  | 'rest'

export const leaseTransitions: Transitions<LeaseState, LeaseEvent> = {
  idle: { seek: 'seeking', resume: 'held', rest: 'idle' },
  seeking: { granted: 'held', rest: 'idle' },
  held: { lost: 'idle', rest: 'idle' },
}
