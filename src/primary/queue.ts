import type { PendingConnection } from './pending-connection.ts'

/** Limits of the queue, from the configuration. */
export interface QueueLimits {
  /** How many may wait. */
  readonly max: number
  /** How long one may wait, in milliseconds. */
  readonly maxWaitMs: number
}

/**
 * The connections that wait for a worker, first in first out.
 *
 * A Set keeps insertion order and deletes from anywhere in constant time, which a client that leaves
 * needs; what comes back from a dead worker goes before it, in a list of its own, since it was first.
 */
export class ConnectionQueue {
  readonly #returned: PendingConnection[] = []
  readonly #waiting = new Set<PendingConnection>()
  readonly #onExpire: (connection: PendingConnection) => void
  readonly #now: () => number
  #limits: QueueLimits
  #timer: NodeJS.Timeout | undefined

  /** @param onExpire - told of each connection that waited too long, already out of the queue */
  constructor(
    limits: QueueLimits,
    onExpire: (connection: PendingConnection) => void,
    now: () => number = () => performance.now(),
  ) {
    this.#limits = limits
    this.#onExpire = onExpire
    this.#now = now
  }

  get length(): number {
    return this.#returned.length + this.#waiting.size
  }

  get max(): number {
    return this.#limits.max
  }

  /** How long the first in line has waited, in milliseconds; 0 when nobody waits. */
  get oldestMs(): number {
    const head = this.#peek()
    return head === undefined ? 0 : this.#now() - head.acceptedAtMs
  }

  /** New limits; what waits already is held to them from now on. */
  limit(limits: QueueLimits): void {
    this.#limits = limits
    this.#disarm()
    this.#arm()
  }

  /** Puts a connection at the end. Returns false when the queue is full: the connection is to be shed. */
  push(connection: PendingConnection): boolean {
    if (this.length >= this.#limits.max) return false
    this.#waiting.add(connection)
    this.#arm()
    return true
  }

  /** Puts one back at the head: it was first in line before. The bound does not apply to it. */
  putBack(connection: PendingConnection): void {
    this.#returned.push(connection)
    this.#returned.sort((a, b) => a.id - b.id)
    this.#disarm()
    this.#arm()
  }

  /** Takes the first in line. */
  shift(): PendingConnection | undefined {
    const returned = this.#returned.shift()
    if (returned !== undefined) return returned
    for (const connection of this.#waiting) {
      this.#waiting.delete(connection)
      return connection
    }
    return undefined
  }

  /** Takes one out of turn; false when it was not waiting. */
  remove(connection: PendingConnection): boolean {
    if (this.#waiting.delete(connection)) return true
    const at = this.#returned.indexOf(connection)
    if (at < 0) return false
    this.#returned.splice(at, 1)
    return true
  }

  *[Symbol.iterator](): Generator<PendingConnection> {
    yield* this.#returned
    yield* this.#waiting
  }

  /** Ends the timer; the queue can still be emptied. */
  close(): void {
    this.#disarm()
  }

  #peek(): PendingConnection | undefined {
    for (const connection of this) return connection
    return undefined
  }

  /** One timer, for the first in line: whoever is behind it has waited for less. */
  #arm(): void {
    if (this.#timer !== undefined) return
    const head = this.#peek()
    if (head === undefined) return
    const leftMs = head.acceptedAtMs + this.#limits.maxWaitMs - this.#now()
    this.#timer = setTimeout(() => this.#expire(), Math.max(1, Math.ceil(leftMs)))
  }

  #disarm(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #expire(): void {
    this.#timer = undefined
    for (;;) {
      const head = this.#peek()
      if (head === undefined || this.#now() - head.acceptedAtMs < this.#limits.maxWaitMs) break
      this.remove(head)
      this.#onExpire(head)
    }
    this.#arm()
  }
}
