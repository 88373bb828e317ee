import { isReset } from '../ipc/socket-handle.ts'
import type { PendingConnection } from './pending-connection.ts'
import type { ConnectionQueue } from './queue.ts'

/** The most of the time that a full queue may be searched, as a part of it. */
const searchedPart = 1 / 20

/**
 * Finds clients that left while they were queued. Nothing reads a queued socket, since its bytes belong to the worker;
 * but the system forgets the peer of a connection that was reset.
 */
export class GoneClients {
  readonly #queue: ConnectionQueue
  readonly #onGone: (connection: PendingConnection) => void
  /** When a full queue may be searched again, monotonic, in milliseconds. */
  #searchDueMs = 0

  /** @param onGone - called with each connection of such a client; it is in the queue no more */
  constructor(queue: ConnectionQueue, onGone: (connection: PendingConnection) => void) {
    this.#queue = queue
    this.#onGone = onGone
  }

  /** Takes those out of the queue that have waited for so long at least. */
  remove(minWaitMs: number): void {
    const now = performance.now()
    for (const connection of this.#queue) {
      if (now - connection.acceptedAtMs < minWaitMs) break
      if (!isReset(connection.handle)) continue
      this.#queue.remove(connection)
      this.#onGone(connection)
    }
  }

  /** Takes all of them out of a full queue, unless that was done just now: a flood could have it searched without end. */
  search(): void {
    const beganMs = performance.now()
    if (beganMs < this.#searchDueMs) return
    this.remove(0)
    const endedMs = performance.now()
    this.#searchDueMs = endedMs + (endedMs - beganMs) / searchedPart
  }
}
