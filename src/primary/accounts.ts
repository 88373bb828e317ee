import {
  type ConnectionEvent,
  type ConnectionState,
  connectionTransitions,
} from '../lifecycle/connection-states.ts'
import { nextState } from '../lifecycle/machine.ts'
import type { ConnectionCounts } from '../status.ts'
import type { PendingConnection } from './pending-connection.ts'

/**
 * Counts every accepted connection in exactly one state, so that at any instant
 * `accepted = served + failed + shed + expired + gone + queued + active`.
 *
 * It is the only writer of a connection's state, which is why the sum cannot drift.
 */
export class Accounts {
  #accepted = 0
  readonly #in: Record<ConnectionState, number> = {
    queued: 0,
    offered: 0,
    claimed: 0,
    served: 0,
    failed: 0,
    shed: 0,
    expired: 0,
    gone: 0,
  }

  /** Counts a connection that was just accepted: it starts out queued. */
  open(): ConnectionState {
    this.#accepted += 1
    this.#in.queued += 1
    return 'queued'
  }

  /** Moves a connection on. Throws `ILLEGAL_MOVE` for a step that its state does not have. */
  apply(connection: PendingConnection, event: ConnectionEvent): void {
    const to = nextState(connectionTransitions, connection.state, event)
    this.#in[connection.state] -= 1
    this.#in[to] += 1
    connection.state = to
  }

  /** Connections that are neither served nor given up. */
  get unsettled(): number {
    return this.#in.queued + this.active
  }

  get active(): number {
    return this.#in.offered + this.#in.claimed
  }

  get counts(): ConnectionCounts {
    const { served, failed, shed, expired, gone, queued } = this.#in
    return {
      accepted: this.#accepted,
      served,
      failed,
      shed,
      expired,
      gone,
      queued,
      active: this.active,
    }
  }
}
