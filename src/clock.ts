/** The longest delay of a Node.js timer, in milliseconds. */
export const maxTimerMs = 2_147_483_647

/**
 * Milliseconds of the system's monotonic clock, which all processes of a machine share; `performance.now()`
 * starts anew in each of them. The clock stands still while the machine is suspended.
 */
export function monotonicMs(): number {
  // Not performance.now() plus its distance to this clock: that would stay wrong by the time between the two
  // readings, which is many milliseconds when the machine is busy.
  return Number(process.hrtime.bigint()) / 1e6
}

/** A timer that has not gone off. */
export interface Timer {
  /** Starts its time again, also after it has gone off. */
  refresh(): unknown
  /** Lets the process end before it goes off. */
  unref(): unknown
}

/** The clock that a worker's limits are measured by; tests of apps use one of their own. */
export interface Clock {
  /** Monotonic, in milliseconds. */
  nowMs(): number
  setTimeout(act: () => void, ms: number): Timer
  clearTimeout(timer: Timer | undefined): void
}

export const systemClock: Clock = {
  nowMs: monotonicMs,
  setTimeout: (act, ms) => setTimeout(act, ms),
  clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout | undefined),
}
