import type { Transitions } from './machine.ts'

/**
 * Whether a host may go down, as far as the fleet has a say in it.
 *
 * - `none`: it has no need to.
 * - `waiting`: it asks, in line with others.
 * - `granted`: it may, and counts as down until that is over.
 * - `skipped`: it does without having been let, and counts as down all the same.
 */
export type PermitState = 'none' | 'waiting' | 'granted' | 'skipped'

export type PermitEvent =
  | 'ask'
  | 'grant'
  /** A person insists, or Redis does not answer. */
  | 'skip'
  /** What it was for is over, or given up. */
  | 'end'

export const permitTransitions: Transitions<PermitState, PermitEvent> = {
  none: { ask: 'waiting', skip: 'skipped' },
  waiting: { grant: 'granted', skip: 'skipped', end: 'none' },
  granted: { end: 'none' },
  skipped: { end: 'none' },
}
