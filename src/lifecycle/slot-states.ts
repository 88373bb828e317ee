import type { Transitions } from './machine.ts'

/** The state of a worker slot, which outlives the processes that run in it. */
export type SlotState =
  | 'empty'
  | 'starting'
  | 'idle'
  | 'busy'
  | 'retiring'
  | 'killing'
  | 'backing-off'

export type SlotEvent =
  | 'spawn'
  | 'ready'
  | 'offer'
  | 'free'
  | 'retire'
  | 'kill'
  | 'exit'
  | 'back-off'
  | 'cancel'

export const slotTransitions: Transitions<SlotState, SlotEvent> = {
  empty: { spawn: 'starting', 'back-off': 'backing-off' },
  starting: { ready: 'idle', retire: 'retiring', kill: 'killing', exit: 'empty' },
  idle: { offer: 'busy', retire: 'retiring', kill: 'killing', exit: 'empty' },
  busy: { free: 'idle', retire: 'retiring', kill: 'killing', exit: 'empty' },
  // A retiring worker may still report that its last connection ended.
  retiring: { free: 'retiring', kill: 'killing', exit: 'empty' },
  killing: { free: 'killing', kill: 'killing', exit: 'empty' },
  'backing-off': { spawn: 'starting', cancel: 'empty' },
}
