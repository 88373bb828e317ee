import type { Config } from '../config/load.ts'
import { addressOf, type PendingConnection } from './pending-connection.ts'

/** How many connections each client's address has, and how many it may have. */
export class ClientLimit {
  readonly #counts = new Map<string, number>()
  /** 0 means no limit. */
  #max = 0

  get isOff(): boolean {
    return this.#max === 0
  }

  /** Applies `queue.maxPerClient`; connections that are already counted remain counted. */
  apply({ queue }: Pick<Config, 'queue'>): void {
    this.#max = queue.maxPerClient
  }

  /** Counts a connection for its client; returns whether the client has more of them now than it may. */
  isExceededBy(connection: PendingConnection): boolean {
    // Without a limit no count is needed, and asking the system for the address has a cost.
    if (this.#max === 0) return false
    const address = addressOf(connection)
    // No limit holds for clients without an address.
    if (address === undefined) return false
    const count = (this.#counts.get(address) ?? 0) + 1
    this.#counts.set(address, count)
    connection.countedAs = address
    return count > this.#max
  }

  /** Whether the client of a connection that was counted has more of them now than it may. */
  isExceeded({ countedAs }: PendingConnection): boolean {
    return countedAs !== undefined && (this.#counts.get(countedAs) ?? 0) > this.#max
  }

  /** A connection has ended, or belongs to another process now. */
  forget({ countedAs: address }: PendingConnection): void {
    if (address === undefined) return
    const count = (this.#counts.get(address) ?? 0) - 1
    if (count > 0) this.#counts.set(address, count)
    else this.#counts.delete(address)
  }
}
