/** So many failures in a row to take a connection, or to report on one, and a worker is taken out. */
const maxStrikes = 3
/** So many heartbeats in a row without the connection that was offered: the first may have been under way. */
const maxBeats = 3

/** Whether a worker can do its part, as its process shows it; times and reasons are its owner's. */
export class Fitness {
  #strikes = 0
  #beats = 0
  /** When the last beat counted; monotonic milliseconds. */
  #beatMs = 0
  /** Why it cannot; undefined while it can. The first reason is the one that counts. */
  reason: string | undefined
  /** The connection that it has said it holds; 0 for none. */
  heldId = 0
  /** The connection that it was offered last. */
  lastId = 0

  /** Another process begins. */
  begin(): void {
    this.#strikes = 0
    this.reason = undefined
    this.offered(0)
  }

  /** It was offered a connection. */
  offered(id: number): void {
    this.#beats = 0
    this.#beatMs = performance.now()
    this.heldId = 0
    this.lastId = id
  }

  /** It says that it holds a connection. */
  holds(id: number): void {
    this.heldId = id
  }

  /** It has done its part. */
  clear(): void {
    this.#strikes = 0
  }

  /** It has failed; returns whether that was once too often. */
  strike(): boolean {
    this.#strikes += 1
    return this.#strikes >= maxStrikes
  }

  /**
   * A heartbeat came that does not know what was offered; returns whether that was once too often. Heartbeats that
   * piled up while this process was paused are older than the offer and arrive together: they do not count.
   *
   * @param apartMs - how far apart two heartbeats are at least, in milliseconds
   */
  ignores(apartMs: number): boolean {
    const nowMs = performance.now()
    if (nowMs - this.#beatMs < apartMs) return false
    this.#beatMs = nowMs
    this.#beats += 1
    return this.#beats >= maxBeats
  }

  /** Returns whether that is news. */
  condemn(reason: string): boolean {
    const isNews = this.reason === undefined
    this.reason ??= reason
    return isNews
  }
}
