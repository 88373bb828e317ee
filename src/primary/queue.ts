import { LinkedList } from './linked-list.ts'
import type { PendingConnection } from './pending-connection.ts'

/** Limits of the queue, from the configuration. */
export interface QueueLimits {
  /** How many may wait. */
  readonly max: number
  /** How long one may wait, in milliseconds. */
  readonly maxWaitMs: number
}

/** The connections that wait for a worker: first in first out, so many at the most, each for so long. */
export class ConnectionQueue {
  readonly #waiting = new LinkedList<PendingConnection>()
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
    return this.#waiting.length
  }

  get max(): number {
    return this.#limits.max
  }

  get maxWaitMs(): number {
    return this.#limits.maxWaitMs
  }

  /** How long the first in line has waited, in milliseconds; 0 when nobody waits. */
  get oldestMs(): number {
    const { head } = this.#waiting
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
    this.#waiting.append(connection)
    this.#arm()
    return true
  }

  /** Puts one back where it was, among the first in line. The bound does not apply to it. */
  putBack(connection: PendingConnection): void {
    let next = this.#waiting.head
    while (next !== undefined && next.id < connection.id) next = next.next
    this.#waiting.insertBefore(next, connection)
    this.#disarm()
    this.#arm()
  }

  /** Takes the first in line. */
  shift(): PendingConnection | undefined {
    const { head } = this.#waiting
    if (head !== undefined) this.#waiting.remove(head)
    return head
  }

  /** Takes the last in line. */
  pop(): PendingConnection | undefined {
    const { tail } = this.#waiting
    if (tail !== undefined) this.#waiting.remove(tail)
    return tail
  }

  /** Takes one out of turn; false when it was not waiting. */
  remove(connection: PendingConnection): boolean {
    return this.#waiting.remove(connection)
  }

  [Symbol.iterator](): Generator<PendingConnection> {
    return this.#waiting[Symbol.iterator]()
  }

  /** Ends the timer; the queue can still be emptied. */
  close(): void {
    this.#disarm()
  }

  /** One timer, for the first in line: whoever is behind it has waited for less. */
  #arm(): void {
    if (this.#timer !== undefined) return
    const { head } = this.#waiting
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
      const { head } = this.#waiting
      if (head === undefined || this.#now() - head.acceptedAtMs < this.#limits.maxWaitMs) break
      this.remove(head)
      this.#onExpire(head)
    }
    this.#arm()
  }
}
