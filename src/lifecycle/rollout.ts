/** How many new workers come up at a time: so many, or all of them. */
export type Surge = number | 'all'

/**
 * How many workers the next batch has.
 *
 * @param ready - workers of the new generation that are ready
 * @param wanted - how many it is to have
 */
export function batchSize(ready: number, wanted: number, surge: Surge): number {
  const left = wanted - ready
  return surge === 'all' ? left : Math.min(surge, left)
}

/**
 * How many old workers go on while `ready` new ones serve beside them. As few as possible are let go before
 * the new generation is complete, since what has gone must be started again when a later batch fails: only
 * as many as keep the total at the larger of the two numbers.
 *
 * @param old - workers that the old generation had
 * @param wanted - workers that the new one is to have
 */
export function oldWorkersKept(ready: number, wanted: number, old: number): number {
  return ready >= wanted ? 0 : Math.min(old, Math.max(old, wanted) - ready)
}
