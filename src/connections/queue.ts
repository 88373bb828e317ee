import { LinkedList } from './linked-list.ts'
import type { PendingConnection } from './pending-connection.ts'

/** The limits of the queue. */
export interface QueueLimits {
  /** How many connections may wait. */
  readonly max: number
  /** How long a connection may wait, in milliseconds. */
  readonly maxWaitMs: number
}

/** The connections that wait for a worker: first in, first out, limited in number and in waiting time. */
export class ConnectionQueue {
  readonly #waiting = new LinkedList<PendingConnection>()
  readonly #onExpire: (connection: PendingConnection) => void
  readonly #now: () => number
  #limits: QueueLimits = { max: 0, maxWaitMs: 0 }
  #timer: NodeJS.Timeout | undefined

  /**
   * A queue that has no room until `limit` is called.
   *
   * @param onExpire - called with each connection that waited too long, already removed from the queue
   */
  constructor(
    onExpire: (connection: PendingConnection) => void,
    now: () => number = () => performance.now(),
  ) {
    this.#onExpire = onExpire
    this.#now = now
  }

  get length(): number {
    return this.#waiting.length
  }

  get max(): number {
    return this.#limits.max
  }

  get maxWaitMs(): number {
    return this.#limits.maxWaitMs
  }

  /** How long the first in line has waited, in milliseconds; 0 when the queue is empty. */
  get oldestMs(): number {
    const { head } = this.#waiting
    return head === undefined ? 0 : this.#now() - head.acceptedAtMs
  }

  /** Sets new limits, which also apply to connections that wait already. */
  limit(limits: QueueLimits): void {
    this.#limits = limits
    this.#disarm()
    this.#arm()
  }

  /**
   * Adds a connection behind those that were accepted before it, usually as the last. Returns false when the queue is
   * full and the connection must be shed.
   */
  push(connection: PendingConnection): boolean {
    if (this.length >= this.#limits.max) return false
    let next: PendingConnection | undefined
    let before = this.#waiting.tail
    // One whose PROXY header came late.
    while (before !== undefined && before.id > connection.id) {
      next = before
      before = before.previous
    }
    this.#waiting.insertBefore(next, connection)
    if (next !== undefined && before === undefined) this.#disarm()
    this.#arm()
    return true
  }

  /** Puts a connection back where it was, among the first in line. The limit does not apply to it. */
  putBack(connection: PendingConnection): void {
    let next = this.#waiting.head
    while (next !== undefined && next.id < connection.id) next = next.next
    this.#waiting.insertBefore(next, connection)
    this.#disarm()
    this.#arm()
  }

  /** Removes and returns the first in line. */
  shift(): PendingConnection | undefined {
    const { head } = this.#waiting
    if (head !== undefined) this.#waiting.remove(head)
    return head
  }

  /** Removes and returns the last in line. */
  pop(): PendingConnection | undefined {
    const { tail } = this.#waiting
    if (tail !== undefined) this.#waiting.remove(tail)
    return tail
  }

  /** Removes a connection out of turn; false when it was not queued. */
  remove(connection: PendingConnection): boolean {
    return this.#waiting.remove(connection)
  }

  [Symbol.iterator](): Generator<PendingConnection> {
    return this.#waiting[Symbol.iterator]()
  }

  /** Stops the timer; the queue can still be emptied. */
  close(): void {
    this.#disarm()
  }

  /** Sets one timer, for the first in line: all others have waited for less. It keeps no process from its end. */
  #arm(): void {
    if (this.#timer !== undefined) return
    const { head } = this.#waiting
    if (head === undefined) return
    const leftMs = head.acceptedAtMs + this.#limits.maxWaitMs - this.#now()
    this.#timer = setTimeout(() => this.#expire(), Math.max(1, Math.ceil(leftMs))).unref()
  }

  #disarm(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #expire(): void {
    this.#timer = undefined
    for (;;) {
      const { head } = this.#waiting
      if (head === undefined || this.#now() - head.acceptedAtMs < this.#limits.maxWaitMs) break
      this.remove(head)
      this.#onExpire(head)
    }
    this.#arm()
  }
}
