import { remoteOf } from '../ipc/socket-handle.ts'
import type { PendingConnection } from './pending-connection.ts'

/** How many open connections each client's address has, and how many it may have. */
export class ClientLimit {
  readonly #open = new Map<string, number>()
  #max: number

  /** @param max - 0 means no limit */
  constructor(max: number) {
    this.#max = max
  }

  /** Connections that are already counted remain counted. */
  set max(max: number) {
    this.#max = max
  }

  /** Counts a connection for its client; returns whether the client has more of them now than it may. */
  isExceededBy(connection: PendingConnection): boolean {
    // Without a limit no count is needed, and asking the system for the address has a cost.
    if (this.#max === 0) return false
    const address = remoteOf(connection.handle)?.address ?? ''
    const count = (this.#open.get(address) ?? 0) + 1
    this.#open.set(address, count)
    connection.countedAs = address
    return count > this.#max
  }

  /** A connection has ended, or belongs to another process now. */
  forget({ countedAs: address }: PendingConnection): void {
    if (address === undefined) return
    const count = (this.#open.get(address) ?? 0) - 1
    if (count > 0) this.#open.set(address, count)
    else this.#open.delete(address)
  }
}
