import { maxTimerMs } from '../clock.ts'

/** A moment by which something must be over; there is one at a time. */
export class Deadline {
  readonly #onPassed: () => void
  #timer: NodeJS.Timeout | undefined
  #atMs = 0

  /** @param onPassed - called when the moment has come */
  constructor(onPassed: () => void) {
    this.#onPassed = onPassed
  }

  /** The time until then, in milliseconds; 0 when there is no deadline, or it has passed. */
  get remainingMs(): number {
    return Math.max(0, this.#atMs - performance.now())
  }

  /** Sets it to `inMs` milliseconds from now, in place of the previous one. */
  set(inMs: number): void {
    clearTimeout(this.#timer)
    this.#atMs = performance.now() + inMs
    this.#timer = setTimeout(this.#onPassed, Math.min(inMs, maxTimerMs))
  }

  clear(): void {
    clearTimeout(this.#timer)
    this.#atMs = 0
  }
}
