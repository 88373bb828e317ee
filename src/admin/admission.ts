/** So many requests in a second are answered, and so many more in a burst. */
const perSecond = 20
const burst = 100

/** How many requests are answered: the page is not to take from the service what its clients need. */
export class Admission {
  #left = burst
  #refilledMs = performance.now()

  /** Whether one more may be answered now. */
  take(): boolean {
    const nowMs = performance.now()
    const earned = ((nowMs - this.#refilledMs) / 1_000) * perSecond
    this.#left = Math.min(burst, this.#left + earned)
    this.#refilledMs = nowMs
    if (this.#left < 1) return false
    this.#left -= 1
    return true
  }
}
