/** How far the wall clock may run ahead of the monotonic one before a suspend is assumed, in milliseconds. */
const toleranceMs = 250

/**
 * Tracks until when a grant holds, by this host's own clocks alone.
 *
 * The monotonic clock cannot be set, but stands still while the machine is suspended, when the wall clock runs on. So
 * if the wall clock has run ahead, the grant is in doubt until the next renewal. If the clock has merely been set,
 * connections wait for one answer from Redis.
 */
export class Validity {
  readonly #monotonicMs: () => number
  readonly #wallMs: () => number
  #deadlineMs = 0
  /** The wall clock minus the monotonic clock, when the grant was last known to be good. */
  #offsetMs = 0

  constructor(monotonicMs: () => number, wallMs: () => number = Date.now) {
    this.#monotonicMs = monotonicMs
    this.#wallMs = wallMs
  }

  /** @param deadlineMs - by the monotonic clock */
  extend(deadlineMs: number): void {
    this.#deadlineMs = deadlineMs
    this.#offsetMs = this.#wallMs() - this.#monotonicMs()
  }

  end(): void {
    this.#deadlineMs = 0
  }

  isValid(): boolean {
    const nowMs = this.#monotonicMs()
    return nowMs < this.#deadlineMs && !this.#isSuspect(nowMs)
  }

  get deadlineMs(): number {
    return this.#deadlineMs
  }

  /** Milliseconds until the deadline; 0 when it has passed. */
  get remainingMs(): number {
    return Math.max(0, this.#deadlineMs - this.#monotonicMs())
  }

  /** Whether the machine appears to have been suspended since the last extension. */
  #isSuspect(nowMs: number): boolean {
    return this.#wallMs() - nowMs - this.#offsetMs > toleranceMs
  }
}
