import type { Transitions } from './machine.ts'

/**
 * Whether workers accept by themselves. `closed`: the primary accepts. `turning`: nobody does, until those that wait in
 * the primary have gone. `open`: idle workers do.
 */
export type GateState = 'closed' | 'turning' | 'open'

export type GateEvent = 'turn' | 'open' | 'close'

export const gateTransitions: Transitions<GateState, GateEvent> = {
  closed: { turn: 'turning' },
  turning: { open: 'open', close: 'closed' },
  open: { close: 'closed' },
}
