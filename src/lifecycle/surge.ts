/** How many new workers start at a time: a number, or all of them. */
export type Surge = number | 'all'

/**
 * How many workers the next batch has.
 *
 * @param ready - workers of the new generation that are ready
 * @param wanted - workers that the new generation is to have
 */
export function batchSize(ready: number, wanted: number, surge: Surge): number {
  const left = wanted - ready
  return surge === 'all' ? left : Math.min(surge, left)
}

/**
 * How many old workers keep serving beside `ready` new ones. As few as possible retire before the new
 * generation is complete, since retired ones must be started again when a later batch fails: only as many as
 * keep the total at the larger of the two numbers.
 *
 * @param old - workers that the old generation had
 * @param wanted - workers that the new one is to have
 */
export function oldWorkersKept(ready: number, wanted: number, old: number): number {
  return ready >= wanted ? 0 : Math.min(old, Math.max(old, wanted) - ready)
}
