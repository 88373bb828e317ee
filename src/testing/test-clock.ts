import type { Timer } from '../clock.ts'

interface TestTimer extends Timer {
  readonly act: () => void
  /** Infinite when it has gone off, or was cleared. */
  dueMs: number
}

/**
 * A clock that stands still until the test advances it. It measures the limits that helloserver sets
 * (`connection.readTimeoutMs`, `deadlineMs`, `lingerMs`); the handler's own timers run on the real clock, or on the
 * fake timers of the test runner. It is a `Clock` without saying so, since the timers are not for tests.
 */
export class TestClock {
  #nowMs = 0
  readonly #timers = new Set<TestTimer>()
  readonly #apps = new Set<() => Promise<void>>()

  /** How far the clock has been advanced, in milliseconds. */
  nowMs(): number {
    return this.#nowMs
  }

  /**
   * Lets time pass. Whatever clients have sent arrives first; then each limit that is due takes effect in its order,
   * and handlers react to it before the next one.
   *
   * @param ms - how much time passes, in milliseconds
   * @throws RangeError for anything but a finite number from 0
   */
  async advance(ms: number): Promise<void> {
    if (!Number.isFinite(ms) || ms < 0) {
      throw new RangeError(`The time to pass is ${String(ms)} ms; it must be a number from 0`)
    }
    const endMs = this.#nowMs + ms
    await this.#settle()
    for (let next = this.#next(endMs); next !== undefined; next = this.#next(endMs)) {
      this.#nowMs = next.dueMs
      next.dueMs = Number.POSITIVE_INFINITY
      next.act()
      await this.#settle()
    }
    this.#nowMs = endMs
  }

  /** @internal */
  setTimeout(act: () => void, ms: number): Timer {
    const timer: TestTimer = {
      act,
      dueMs: this.#nowMs + ms,
      refresh: () => {
        timer.dueMs = this.#nowMs + ms
      },
      unref: () => {},
    }
    this.#timers.add(timer)
    return timer
  }

  /** @internal */
  clearTimeout(timer: Timer | undefined): void {
    this.#timers.delete(timer as TestTimer)
  }

  /**
   * @internal Has `advance` wait for an app until nothing is on its way in it.
   *
   * @returns a function that ends this
   */
  drive(settle: () => Promise<void>): () => void {
    this.#apps.add(settle)
    return () => this.#apps.delete(settle)
  }

  /** One app after the other, since one may be the other's client. */
  async #settle(): Promise<void> {
    for (const settle of this.#apps) await settle()
  }

  /** The first timer that is due by `endMs`, if there is one. */
  #next(endMs: number): TestTimer | undefined {
    let first: TestTimer | undefined
    for (const timer of this.#timers) if (timer.dueMs < (first?.dueMs ?? Infinity)) first = timer
    return first !== undefined && first.dueMs <= endMs ? first : undefined
  }
}
