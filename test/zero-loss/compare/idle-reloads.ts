import type { Contestant } from './contestant.ts'

/** How long `pm2 reload` of each takes while nobody connects, in turn: the median of some rounds, in milliseconds. */
export async function medianReloadsMs(
  contestants: readonly Contestant[],
  rounds: number,
): Promise<number[]> {
  const tookMs = contestants.map((): number[] => [])
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, { pm2 }] of contestants.entries()) {
      const startedMs = performance.now()
      await pm2.do('reload', 'helloserver')
      tookMs[index]?.push(performance.now() - startedMs)
      await contestants[index]?.settled()
    }
  }
  return tookMs.map((all) => all.toSorted((a, b) => a - b)[Math.floor(all.length / 2)] ?? 0)
}
