import type { Events } from '../telemetry/events.ts'

/** Shedding is over when no connection has been turned away for this long, in milliseconds. */
const quietMs = 5_000

/**
 * Reports the many connections that a full queue turns away as two events. A full queue has room after each
 * connection that is served, so its length does not show when shedding is over.
 */
export class Shedding {
  readonly #events: Events
  #beganMs = 0
  #lastMs = 0
  #shed = 0

  constructor(events: Events) {
    this.#events = events
  }

  /** The queue had no room for a connection; `queued` others wait in it. */
  shed(queued: number): void {
    this.#lastMs = performance.now()
    this.#shed += 1
    if (this.#shed > 1) return
    this.#beganMs = this.#lastMs
    this.#events.record('shedding-began', { queued })
    this.#checkIn(quietMs)
  }

  #checkIn(ms: number): void {
    setTimeout(() => this.#check(), Math.ceil(ms)).unref()
  }

  #check(): void {
    const leftMs = this.#lastMs + quietMs - performance.now()
    if (leftMs > 0) {
      this.#checkIn(leftMs)
      return
    }
    const durationMs = Math.round(this.#lastMs - this.#beganMs)
    this.#events.record('shedding-ended', { shed: this.#shed, durationMs })
    this.#shed = 0
  }
}
