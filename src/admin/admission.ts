/** The number of requests answered per second, and the size of a burst. */
const perSecond = 20
const burst = 100

/** Limits the number of answered requests, so that the page takes no resources that the service's clients need. */
export class Admission {
  #left = burst
  #refilledMs = performance.now()

  /** Whether one more request may be answered now. */
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
