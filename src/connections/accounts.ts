import {
  type ConnectionEvent,
  type ConnectionState,
  connectionTransitions,
} from '../lifecycle/connection-states.ts'
import { nextState } from '../lifecycle/machine.ts'
import type { ConnectionCounts } from '../status.ts'
import { ledgerCounts } from './ledger.ts'
import type { PendingConnection } from './pending-connection.ts'

/**
 * Counts every accepted connection in exactly one state, so that at any instant
 * `accepted = served + failed + shed + expired + gone + queued + active`.
 *
 * It is the only writer of a connection's state, which is why the sum cannot drift.
 */
export class Accounts {
  /** The counts that only rise, where the next primary finds them: see `ledgerCounts`. */
  readonly #kept: Float64Array
  #accepted = 0
  readonly #awaited = new Map<PendingConnection, () => void>()
  #inherited = nothing
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

  constructor(kept: Float64Array = new Float64Array(ledgerCounts.length)) {
    this.#kept = kept
  }

  /** Counts a connection that was just accepted; it begins as queued. */
  accept(): ConnectionState {
    this.#raise(acceptedAt)
    this.#accepted += 1
    this.#in.queued += 1
    return 'queued'
  }

  /** Stops counting a queued connection: another process counts it from now on. */
  forget(connection: PendingConnection): void {
    this.#accepted -= 1
    this.#in[connection.state] -= 1
    this.#keep()
  }

  /** Includes what another process has counted; replaces what was inherited before. */
  inherit(counts: ConnectionCounts): void {
    this.#inherited = counts
    this.#keep()
  }

  /** A connection that was queued in the other process is queued in this one, which has counted it by `accept`. */
  takeFromInherited(): void {
    const { accepted, queued } = this.#inherited
    this.#inherited = { ...this.#inherited, accepted: accepted - 1, queued: queued - 1 }
    this.#keep()
  }

  /** The other process has ended: connections that were open there count as failed. */
  writeOff(): void {
    const { queued, active, failed } = this.#inherited
    this.#inherited = {
      ...this.#inherited,
      failed: failed + queued + active,
      queued: 0,
      active: 0,
    }
    this.#keep()
  }

  /** Moves a connection on. Throws `ILLEGAL_MOVE` for an event that its state does not accept. */
  apply(connection: PendingConnection, event: ConnectionEvent): void {
    const to = nextState(connectionTransitions, connection.state, event)
    this.#in[connection.state] -= 1
    this.#in[to] += 1
    connection.state = to
    const at = endAt[to]
    if (at === undefined) return
    this.#raise(at)
    if (this.#awaited.size > 0) this.#tellEnd(connection)
  }

  /** Calls `onEnded` as soon as the connection's end is counted, before anything else comes of it. */
  onceEnded(connection: PendingConnection, onEnded: () => void): void {
    this.#awaited.set(connection, onEnded)
  }

  #tellEnd(connection: PendingConnection): void {
    const onEnded = this.#awaited.get(connection)
    this.#awaited.delete(connection)
    onEnded?.()
  }

  /** How many connections are queued or active, here or in the process from which some were inherited. */
  get open(): number {
    const { queued, active } = this.#inherited
    return this.#in.queued + this.active + queued + active
  }

  get active(): number {
    return this.#in.offered + this.#in.claimed
  }

  #raise(at: number): void {
    this.#kept[at] = (this.#kept[at] ?? 0) + 1
  }

  /** Counts that are not this process's own have changed. */
  #keep(): void {
    const { counts } = this
    for (const [at, name] of ledgerCounts.entries()) this.#kept[at] = counts[name]
  }

  get counts(): ConnectionCounts {
    const { served, failed, shed, expired, gone, queued } = this.#in
    const inherited = this.#inherited
    return {
      accepted: inherited.accepted + this.#accepted,
      served: inherited.served + served,
      failed: inherited.failed + failed,
      shed: inherited.shed + shed,
      expired: inherited.expired + expired,
      gone: inherited.gone + gone,
      queued: inherited.queued + queued,
      active: inherited.active + this.active,
    }
  }
}

const acceptedAt = 0

/** Where each end is counted. */
const endAt: Partial<Record<ConnectionState, number>> = Object.fromEntries(
  ledgerCounts.map((name, at) => [name, at]).slice(1),
)

const nothing: ConnectionCounts = {
  accepted: 0,
  served: 0,
  failed: 0,
  shed: 0,
  expired: 0,
  gone: 0,
  queued: 0,
  active: 0,
}
