import type { Transitions } from './machine.ts'

/**
 * Whether a host seeks or holds the lease.
 *
 * - `idle`: neither.
 * - `seeking`: it tries repeatedly to acquire the lease.
 * - `held`: it holds the lease and renews it.
 */
export type LeaseState = 'idle' | 'seeking' | 'held'

export type LeaseEvent =
  | 'seek'
  | 'granted'
  /** This process continues a lease that was granted to another process of this host. */
  | 'resume'
  /** Another host holds the lease, or it could not be renewed. */
  | 'lost'
  /** The lease is released, passed on, or no longer wanted. */
  | 'rest'

export const leaseTransitions: Transitions<LeaseState, LeaseEvent> = {
  idle: { seek: 'seeking', resume: 'held', rest: 'idle' },
  seeking: { granted: 'held', rest: 'idle' },
  held: { lost: 'idle', rest: 'idle' },
}
