/**
 * A token bucket: so much at once, and so much a second. It starts full, and is asked for the time only when it seems
 * empty, so that what stays within it costs next to nothing.
 */
export class Allowance {
  readonly #burst: number
  readonly #perSecond: number
  readonly #nowMs: () => number
  #left: number
  #filledAtMs: number

  constructor(burst: number, perSecond: number, nowMs = () => performance.now()) {
    this.#burst = burst
    this.#perSecond = perSecond
    this.#nowMs = nowMs
    this.#left = burst
    this.#filledAtMs = nowMs()
  }

  /** Takes so much; false, and nothing is taken, when that is more than there is. */
  take(amount: number): boolean {
    if (amount > this.#left) this.#fill()
    if (amount > this.#left) return false
    this.#left -= amount
    return true
  }

  /** Adds to what there is, up to the burst. */
  add(amount: number): void {
    this.#left = Math.min(this.#burst, this.#left + amount)
  }

  #fill(): void {
    const nowMs = this.#nowMs()
    this.add(((nowMs - this.#filledAtMs) / 1_000) * this.#perSecond)
    this.#filledAtMs = nowMs
  }
}
