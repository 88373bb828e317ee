import type { Transitions } from './machine.ts'
import type { PrimaryEvent } from './primary-states.ts'

/**
 * How far a service is on its way to its end.
 *
 * - `accepting`: it is not on its way.
 * - `announcing`: it says that it drains, and still accepts, so that a load balancer can look away first.
 * - `closing`: takes who has connected by now, and closes the listening socket: a moment.
 * - `serving-queue`: the listening socket is closed; who waits is served.
 * - `waiting-for-workers`: nobody waits any more; the workers finish what they have in hand.
 * - `ending`: every answer is out; the workers end by themselves.
 * - `cutting`: what is left is dropped, and the workers are made to end.
 */
export type DrainPhase =
  | 'accepting'
  | 'announcing'
  | 'closing'
  | 'serving-queue'
  | 'waiting-for-workers'
  | 'ending'
  | 'cutting'
  | 'ended'

export type DrainEvent =
  | 'announce'
  | 'close'
  /** Nobody is left between the system and the queue. */
  | 'closed'
  | 'queue-empty'
  | 'settled'
  /** The deadline of the phase has passed. */
  | 'timeout'
  /** Somebody insists, by a second signal: what this phase waits for is given up. */
  | 'insist'
  | 'cut'
  | 'workers-gone'

export const drainTransitions: Transitions<DrainPhase, DrainEvent> = {
  accepting: { announce: 'announcing', close: 'closing', cut: 'cutting' },
  announcing: { close: 'closing', insist: 'closing', cut: 'cutting' },
  closing: { closed: 'serving-queue', cut: 'cutting' },
  'serving-queue': {
    'queue-empty': 'waiting-for-workers',
    insist: 'waiting-for-workers',
    timeout: 'cutting',
    cut: 'cutting',
  },
  'waiting-for-workers': {
    settled: 'ending',
    insist: 'cutting',
    timeout: 'cutting',
    cut: 'cutting',
  },
  ending: { 'workers-gone': 'ended', insist: 'cutting', timeout: 'cutting', cut: 'cutting' },
  cutting: { 'workers-gone': 'ended' },
  ended: {},
}

/** What a move of the drain is for the service as a whole, where its state has a move for it. */
export const primaryEvents: Readonly<Partial<Record<DrainEvent, PrimaryEvent>>> = {
  announce: 'drain',
  close: 'drain',
  cut: 'abort',
  'workers-gone': 'drained',
}
