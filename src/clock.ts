/** The longest that a timer of Node's can wait, in milliseconds. */
export const maxTimerMs = 2_147_483_647

/**
 * Milliseconds of the system's monotonic clock, which all processes of a machine share, unlike
 * `performance.now()`, which each begins anew. It stands still while the machine is suspended.
 */
export function monotonicMs(): number {
  // Not performance.now() and its distance to this clock: that is wrong for ever by what passes between the two
  // readings, which is many milliseconds when the machine is busy.
  return Number(process.hrtime.bigint()) / 1e6
}
