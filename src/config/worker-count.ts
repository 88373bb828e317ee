/** The fewest and the most workers that a service may have. */
export const minWorkers = 1
export const maxWorkers = 1_024

/** The rule for a number of workers, for error messages. */
export const workersAllowed = `a number from ${minWorkers} to ${maxWorkers}`

/** The allowed number of workers that is nearest to `wanted`. */
export function withinWorkers(wanted: number): number {
  return Math.min(maxWorkers, Math.max(minWorkers, wanted))
}

/** Whether a service may have this many workers. */
export function isWorkerCount(value: unknown): value is number {
  return Number.isInteger(value) && withinWorkers(value as number) === value
}
