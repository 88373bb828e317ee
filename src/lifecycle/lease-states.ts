import type { Transitions } from './machine.ts'

/**
 * Whether a host tries to acquire the lease or holds it.
 *
 * - `idle`: neither.
 * - `acquiring`: it tries repeatedly to acquire the lease.
 * - `held`: it holds the lease and renews it.
 */
export type LeaseState = 'idle' | 'acquiring' | 'held'

export type LeaseEvent =
  | 'acquire'
  | 'granted'
  /** This process continues a lease that was granted to another process of this host. */
  | 'resume'
  /** Another host holds the lease, or it could not be renewed. */
  | 'lost'
  /** The lease is released, passed on, or no longer wanted. */
  | 'stop'

export const leaseTransitions: Transitions<LeaseState, LeaseEvent> = {
  idle: { acquire: 'acquiring', resume: 'held', stop: 'idle' },
  acquiring: { granted: 'held', stop: 'idle' },
  held: { lost: 'idle', stop: 'idle' },
}
