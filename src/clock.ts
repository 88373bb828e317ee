/**
 * Milliseconds of the system's monotonic clock, which all processes of a machine share, unlike
 * `performance.now()`, which each begins anew. It stands still while the machine is suspended.
 */
export function monotonicMs(): number {
  return performance.now() + originMs
}

const originMs = Number(process.hrtime.bigint()) / 1e6 - performance.now()
