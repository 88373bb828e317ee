import type { Transitions } from './machine.ts'

/**
 * The state of a primary: that of the service, until a successor of this process is the service. In `standby`, it waits
 * for the lease, or for an address that the host does not have yet.
 */
export type PrimaryState = 'starting' | 'standby' | 'binding' | 'serving' | 'draining' | 'stopped'

export type PrimaryEvent =
  | 'workers-ready'
  | 'lease-held'
  | 'bound'
  /** The lease is lost or could not be used: another host may serve. */
  | 'stand-down'
  | 'drain'
  | 'drained'
  | 'abort'

export const primaryTransitions: Transitions<PrimaryState, PrimaryEvent> = {
  starting: { 'workers-ready': 'standby', drain: 'draining', abort: 'stopped' },
  standby: { 'lease-held': 'binding', drain: 'draining', abort: 'stopped' },
  binding: { bound: 'serving', 'stand-down': 'standby', drain: 'draining', abort: 'stopped' },
  serving: { 'stand-down': 'standby', drain: 'draining', abort: 'stopped' },
  draining: { drained: 'stopped', abort: 'stopped' },
  stopped: {},
}
