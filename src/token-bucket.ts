/**
 * A token bucket with a burst and a rate per second. It starts full, and reads the clock only when it seems
 * empty, so that use within the limits costs next to nothing.
 */
export class TokenBucket {
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

  /** Takes `amount`; if that is more than there is, takes nothing and returns false. */
  take(amount: number): boolean {
    if (amount > this.#left) this.#fill()
    if (amount > this.#left) return false
    this.#left -= amount
    return true
  }

  /** Adds `amount`, up to the burst. */
  add(amount: number): void {
    this.#left = Math.min(this.#burst, this.#left + amount)
  }

  #fill(): void {
    const nowMs = this.#nowMs()
    this.add(((nowMs - this.#filledAtMs) / 1_000) * this.#perSecond)
    this.#filledAtMs = nowMs
  }
}
