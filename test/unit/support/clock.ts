import type { TestContext } from 'node:test'

/** A timer of the clock; as much of Node's as our code uses. */
interface Timer {
  readonly act: () => void
  readonly ms: number
  /** When it goes off; infinite once it has, or was cleared. */
  dueMs: number
}

/**
 * Time in the hands of a test: `setTimeout`, its `refresh` and `unref`, and `performance.now`. Sockets, files and
 * `setImmediate` go on as ever. (Node 20's own mock timers cannot `refresh`.)
 */
export class Clock {
  nowMs = 0
  #timers: Timer[] = []

  /** Lets no time pass during a test. */
  static stop(t: TestContext): void {
    void new Clock(t)
  }

  constructor(t: TestContext) {
    t.mock.method(performance, 'now', () => this.nowMs)
    t.mock.method(globalThis, 'setTimeout', (act: () => void, ms = 1) => this.#start(act, ms))
    t.mock.method(globalThis, 'clearTimeout', (timer: Timer | undefined) => {
      if (timer !== undefined) timer.dueMs = Number.POSITIVE_INFINITY
    })
  }

  /** Lets time pass; what is due goes off in the order in which it is. */
  advance(ms: number): void {
    const endMs = this.nowMs + ms
    for (
      let next = this.#first();
      next !== undefined && next.dueMs <= endMs;
      next = this.#first()
    ) {
      this.nowMs = next.dueMs
      next.dueMs = Number.POSITIVE_INFINITY
      next.act()
    }
    this.nowMs = endMs
  }

  #start(act: () => void, ms: number): object {
    const timer: Timer = { act, ms, dueMs: this.nowMs + ms }
    this.#timers.push(timer)
    return Object.assign(timer, {
      refresh: () => {
        timer.dueMs = this.nowMs + ms
      },
      unref: () => timer,
    })
  }

  #first(): Timer | undefined {
    return this.#timers.toSorted((a, b) => a.dueMs - b.dueMs)[0]
  }
}
