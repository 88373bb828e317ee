import type { PendingConnection } from './pending-connection.ts'

/**
 * How long nobody may have reported to have taken a connection that left the queue; and the same for one that a worker
 * of a dead primary may have taken, once all of them have ended. In milliseconds.
 */
const unclaimedMs = 10_000
const orphanedMs = 500

/** The connections that workers have taken and not ended, by their numbers. */
export class TakenConnections {
  readonly #all = new Map<number, PendingConnection>()
  /** Those of a dead primary, and of its workers, have no higher number. */
  #lastAdoptedId = 0
  #adoptedMs = unclaimedMs

  get size(): number {
    return this.#all.size
  }

  get(id: number): PendingConnection | undefined {
    return this.#all.get(id)
  }

  add(connection: PendingConnection): void {
    this.#all.set(connection.id, connection)
  }

  delete({ id }: PendingConnection): void {
    this.#all.delete(id)
  }

  /** Those with these numbers are a dead primary's, or its workers'. */
  adoptUpTo(lastId: number): void {
    this.#lastAdoptedId = lastId
  }

  /** All workers of that primary have ended. */
  onOrphansGone(): void {
    this.#adoptedMs = orphanedMs
  }

  /**
   * Removes those on which no worker has reported in time. An app can take a connection out of the queue itself; its
   * worker does not know of it then.
   *
   * @param inHand - those on which a worker reports
   */
  removeOverdue(inHand: ReadonlySet<PendingConnection | undefined>): PendingConnection[] {
    const nowMs = performance.now()
    const overdue = [...this.#all.values()].filter((connection) => {
      const patienceMs = connection.id <= this.#lastAdoptedId ? this.#adoptedMs : unclaimedMs
      return connection.offeredAtMs <= nowMs - patienceMs && !inHand.has(connection)
    })
    for (const connection of overdue) this.delete(connection)
    return overdue
  }
}
