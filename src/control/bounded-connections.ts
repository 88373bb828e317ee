/** A connection to a server that accepts a limited number of them. */
export interface BoundedConnection {
  /** Since when nothing is pending on it, in monotonic milliseconds; undefined while something is. */
  readonly idleSinceMs: number | undefined
  /** Whether it has ever been used. */
  readonly isKnown: boolean
  hangUp(): void
}

/** How long a connection is kept after its last use, in milliseconds: it may be about to ask for more. */
const afterUseMs = 100

/**
 * The open connections of a server, limited in number. When the limit is reached, the connection that has been idle
 * the longest is closed in favour of a new one, so that idle connections keep no caller out.
 */
export class BoundedConnections<C extends BoundedConnection> {
  readonly #max: number
  readonly #connections = new Set<C>()

  constructor(max: number) {
    this.#max = max
  }

  get all(): Iterable<C> {
    return this.#connections
  }

  get size(): number {
    return this.#connections.size
  }

  /** Adds a connection, if need be by closing an idle one; returns false when there is none to close. */
  add(connection: C, nowMs = performance.now()): boolean {
    if (this.#connections.size >= this.#max && !this.#closeIdlest(nowMs)) return false
    this.#connections.add(connection)
    return true
  }

  delete(connection: C): void {
    this.#connections.delete(connection)
  }

  /** Closes the connections that have been idle for longer than `maxIdleMs`; returns how many. */
  dropIdle(maxIdleMs: number, nowMs = performance.now()): number {
    const idle = [...this.#connections].filter(
      ({ idleSinceMs }) => idleSinceMs !== undefined && nowMs - idleSinceMs > maxIdleMs,
    )
    for (const connection of idle) this.#close(connection)
    return idle.length
  }

  #closeIdlest(nowMs: number): boolean {
    let idlest: C | undefined
    let longestMs = -1
    for (const connection of this.#connections) {
      const { idleSinceMs, isKnown } = connection
      if (idleSinceMs === undefined) continue
      const idleMs = nowMs - idleSinceMs
      if ((isKnown && idleMs < afterUseMs) || idleMs <= longestMs) continue
      idlest = connection
      longestMs = idleMs
    }
    if (idlest === undefined) return false
    this.#close(idlest)
    return true
  }

  #close(connection: C): void {
    this.#connections.delete(connection)
    connection.hangUp()
  }
}
