import type { Transitions } from './machine.ts'
import type { PrimaryEvent } from './primary-states.ts'

/**
 * How far the end of a service has progressed.
 *
 * - `accepting`: no end has been requested.
 * - `announcing`: reports that it drains but still accepts, so that a load balancer can direct clients
 *   elsewhere first.
 * - `closing`: accepts the clients that have connected by now, then closes the listening socket; takes a moment.
 * - `serving-queue`: the listening socket is closed; queued connections are served.
 * - `waiting-for-workers`: the queue is empty; the workers finish their active connections.
 * - `ending`: every answer is out; the workers exit by themselves.
 * - `cutting`: remaining connections are dropped, and the workers are forced to exit.
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
  /** No connection is left between the system and the queue. */
  | 'closed'
  | 'queue-empty'
  | 'settled'
  /** The deadline of the phase has passed. */
  | 'timeout'
  /** A second signal: the service gives up what this phase waits for. */
  | 'escalate'
  | 'cut'
  | 'workers-gone'

export const drainTransitions: Transitions<DrainPhase, DrainEvent> = {
  accepting: { announce: 'announcing', close: 'closing', cut: 'cutting' },
  announcing: { close: 'closing', escalate: 'closing', cut: 'cutting' },
  closing: { closed: 'serving-queue', cut: 'cutting' },
  'serving-queue': {
    'queue-empty': 'waiting-for-workers',
    escalate: 'waiting-for-workers',
    timeout: 'cutting',
    cut: 'cutting',
  },
  'waiting-for-workers': {
    settled: 'ending',
    escalate: 'cutting',
    timeout: 'cutting',
    cut: 'cutting',
  },
  ending: { 'workers-gone': 'ended', escalate: 'cutting', timeout: 'cutting', cut: 'cutting' },
  cutting: { 'workers-gone': 'ended' },
  ended: {},
}

/** The event of the primary that follows from an event of the drain, where the primary's state has a move for it. */
export const primaryEvents: Readonly<Partial<Record<DrainEvent, PrimaryEvent>>> = {
  announce: 'drain',
  close: 'drain',
  cut: 'abort',
  'workers-gone': 'drained',
}
