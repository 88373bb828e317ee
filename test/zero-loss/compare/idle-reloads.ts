import type { Contestant } from './contestant.ts'

/** A command that reloads, and whose it is. */
export interface ReloadCommand {
  readonly name: string
  readonly contestant: Contestant
  run(): Promise<unknown>
}

/** How long each command takes while nobody connects, in turn: the median of some rounds, in milliseconds. */
export async function medianReloadsMs(
  commands: readonly ReloadCommand[],
  rounds: number,
): Promise<number[]> {
  const tookMs = commands.map((): number[] => [])
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, command] of commands.entries()) {
      const startedMs = performance.now()
      await command.run()
      tookMs[index]?.push(performance.now() - startedMs)
      await command.contestant.settled()
    }
  }
  return tookMs.map((all) => all.toSorted((a, b) => a - b)[Math.floor(all.length / 2)] ?? 0)
}
