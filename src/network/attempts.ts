import { InterruptibleSleep } from '../async/interruptible-sleep.ts'
import { respawnDelayMs } from '../lifecycle/respawn.ts'

/** Bounds of the delays between attempts, which double; milliseconds. */
export interface Pace {
  readonly baseMs: number
  readonly capMs: number
}

/** Repeats an attempt, with growing delays, until it succeeds or is given up. */
export class Attempts {
  #wake = new InterruptibleSleep()
  #failures = 0

  /**
   * Starts attempts after the next delay, which continues to grow from the last call; replaces earlier
   * attempts.
   *
   * @param attempt - resolves with whether it has succeeded; its signal aborts it
   * @param onSuccess - called in the same turn, unless the attempt was given up in the meantime
   */
  start(
    pace: Pace,
    attempt: (signal: AbortSignal) => Promise<boolean>,
    onSuccess: () => void,
  ): void {
    this.#renew()
    void this.#run(this.#wake, pace, attempt, onSuccess)
  }

  /** Tries at once, and starts over with short delays. */
  retryNow(): void {
    this.#failures = 0
    this.#wake.now()
  }

  /** Ends the attempts as successful: the next delays are short again. */
  succeed(): void {
    this.stop()
    this.#failures = 0
  }

  stop(): void {
    this.#wake.end()
  }

  #renew(): void {
    this.#wake.end()
    this.#wake = new InterruptibleSleep()
  }

  async #run(
    wake: InterruptibleSleep,
    pace: Pace,
    attempt: (signal: AbortSignal) => Promise<boolean>,
    onSuccess: () => void,
  ): Promise<void> {
    while (!wake.isOver) {
      this.#failures += 1
      await wake.sleep(respawnDelayMs(1 + this.#failures, Math.random(), pace))
      if (wake.isOver) return
      const hasSucceeded = await attempt(wake.signal)
      if (wake.isOver) return
      if (hasSucceeded) {
        wake.end()
        onSuccess()
      }
    }
  }
}
