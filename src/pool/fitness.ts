/** A worker that fails this often in a row to take a connection, or to report on one, is taken out of service. */
const maxStrikes = 3
/**
 * The same after this many heartbeats in a row that do not know the offered connection: the first may have
 * been under way.
 */
const maxBeats = 3

/** Tracks whether a worker can do its job; its owner supplies times and reasons. */
export class Fitness {
  #strikes = 0
  #beats = 0
  /** When a beat was last counted; monotonic milliseconds. */
  #beatMs = 0
  /** Why it cannot do its job; undefined while it can. Only the first reason is kept. */
  reason: string | undefined
  /** The connection that it reports to hold; 0 for none. */
  heldId = 0
  /** The last connection that it was offered. */
  lastId = 0

  /** Another process starts. */
  begin(): void {
    this.#strikes = 0
    this.reason = undefined
    this.offered(0)
  }

  /** The worker was offered a connection. */
  offered(id: number): void {
    this.#beats = 0
    this.#beatMs = performance.now()
    this.heldId = 0
    this.lastId = id
  }

  /** The worker reports that it holds a connection. */
  holds(id: number): void {
    this.heldId = id
  }

  /** The worker has done its job. */
  clear(): void {
    this.#strikes = 0
  }

  /** The worker has failed; returns whether that was once too often. */
  strike(): boolean {
    this.#strikes += 1
    return this.#strikes >= maxStrikes
  }

  /**
   * A heartbeat does not know the offered connection; returns whether that was once too often. Heartbeats that
   * piled up while this process was paused are older than the offer and arrive together: they do not count.
   *
   * @param apartMs - the shortest time between two heartbeats, in milliseconds
   */
  ignores(apartMs: number): boolean {
    const nowMs = performance.now()
    if (nowMs - this.#beatMs < apartMs) return false
    this.#beatMs = nowMs
    this.#beats += 1
    return this.#beats >= maxBeats
  }

  /** Returns whether this is the first reason. */
  condemn(reason: string): boolean {
    const isNews = this.reason === undefined
    this.reason ??= reason
    return isNews
  }
}
