import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises'

/** The share of the process's time that requests may take in the long run, and in a burst before that. */
const share = 0.2
const burstMs = 250

/**
 * Gives requests their turns one by one, each in a turn of the event loop of its own, and no more often than
 * their share of the process's time allows: flooding the control socket delays the flooder, not the service's
 * clients.
 */
export class Pacer {
  #creditMs = burstMs
  #atMs = performance.now()
  #last: Promise<void> = Promise.resolve()

  /** Resolves when it is the caller's turn: after all earlier callers. */
  turn(): Promise<void> {
    this.#last = this.#last.then(() => this.#next())
    return this.#last
  }

  /** Counts time that a request has taken, in milliseconds. */
  spend(ms: number): void {
    this.#creditMs -= ms
  }

  async #next(): Promise<void> {
    await nextTurn()
    this.#earn()
    if (this.#creditMs >= 0) return
    await delay(-this.#creditMs / share, undefined, { ref: false })
    this.#earn()
  }

  #earn(): void {
    const nowMs = performance.now()
    this.#creditMs = Math.min(burstMs, this.#creditMs + (nowMs - this.#atMs) * share)
    this.#atMs = nowMs
  }
}
