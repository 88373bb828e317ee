import { respawnDelayMs } from '../lifecycle/respawn.ts'
import { Wake } from '../wake.ts'

/** Bounds of the delays between attempts, which double; milliseconds. */
export interface Pace {
  readonly baseMs: number
  readonly capMs: number
}

/** Tries something again and again, with growing delays, until it succeeds or is given up. */
export class Attempts {
  #wake = new Wake()
  #failures = 0

  /**
   * Tries after the next delay, which goes on growing from the last call; replaces what was tried before.
   *
   * @param attempt - resolves with whether it has succeeded; its signal gives it up
   * @param onSuccess - called in the same turn, unless it was given up meanwhile
   */
  start(
    pace: Pace,
    attempt: (signal: AbortSignal) => Promise<boolean>,
    onSuccess: () => void,
  ): void {
    this.#renew()
    void this.#run(this.#wake, pace, attempt, onSuccess)
  }

  /** Tries at once, and begins anew with short delays. */
  hurry(): void {
    this.#failures = 0
    this.#wake.now()
  }

  /** What was tried is settled: the next delays are short again. */
  settle(): void {
    this.stop()
    this.#failures = 0
  }

  stop(): void {
    this.#wake.end()
  }

  #renew(): void {
    this.#wake.end()
    this.#wake = new Wake()
  }

  async #run(
    wake: Wake,
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
