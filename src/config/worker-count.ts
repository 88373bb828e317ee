/** The fewest and the most workers that a service may have. */
export const minWorkers = 1
export const maxWorkers = 1_024

/** What a number of workers must be, for whoever is told that theirs is not. */
export const workersAllowed = `a number from ${minWorkers} to ${maxWorkers}`

/** The number of workers nearest to `wanted` that a service may have. */
export function withinWorkers(wanted: number): number {
  return Math.min(maxWorkers, Math.max(minWorkers, wanted))
}

/** Whether a service may have so many workers. */
export function isWorkerCount(value: unknown): value is number {
  return Number.isInteger(value) && withinWorkers(value as number) === value
}
