/** Milliseconds of the system's monotonic clock, which is the same one in every process of the host. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
