import type { Transitions } from './machine.ts'

/**
 * Whether a host may go down, as far as the fleet decides that.
 *
 * - `none`: it does not need to.
 * - `waiting`: it has asked, and waits in line with other hosts.
 * - `granted`: it may go down, and counts as down until the permit ends.
 * - `skipped`: it goes down without a permit, and counts as down all the same.
 */
export type PermitState = 'none' | 'waiting' | 'granted' | 'skipped'

export type PermitEvent =
  | 'ask'
  | 'grant'
  /** An operator asked a second time or gave --force, or Redis does not answer. */
  | 'skip'
  /** The operation that needed the permit is over or given up. */
  | 'end'

export const permitTransitions: Transitions<PermitState, PermitEvent> = {
  none: { ask: 'waiting', skip: 'skipped' },
  waiting: { grant: 'granted', skip: 'skipped', end: 'none' },
  granted: { end: 'none' },
  skipped: { end: 'none' },
}
