import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Machine } from '../machine.ts'
import { alignedTable, figure } from '../markdown.ts'
import type { Lengths, Round } from './rounds.ts'
import { type Summary, summarize } from './summary.ts'
import { ttlMs } from './target.ts'

/** All results of one run, as written to the JSON file. */
export interface Results {
  readonly takenAt: string
  readonly machine: Machine
  readonly redis: string
  readonly settings: Lengths & { readonly ttlMs: number }
  readonly summaries: readonly Summary[]
  readonly rounds: readonly Round[]
}

export function resultsOf(
  machine: Machine,
  redis: string,
  { rounds, cycles, handOvers }: Lengths,
  measured: readonly Round[],
): Results {
  return {
    takenAt: new Date().toISOString(),
    machine,
    redis,
    settings: { rounds, cycles, handOvers, ttlMs },
    summaries: summarize(measured),
    rounds: measured,
  }
}

const heads = ['operation', 'lock', 'p50 ms', 'vs the faster', 'p99 ms', 'vs the faster', 'samples']

/** The figures for people: what was measured, on which machine, and the table. */
export function markdownOf({ takenAt, machine, redis, settings, summaries }: Results): string {
  const where = `${machine.cpu}, ${machine.cores} cores, ${machine.system}, Node ${machine.node}, Redis ${redis}`
  const how =
    `${settings.rounds} rounds of ${settings.cycles} cycles and ${settings.handOvers} hand-overs; ` +
    `taken ${takenAt.slice(0, 10)} with a load of ${machine.loadBefore.toFixed(1)} beforehand.`
  const cells = summaries.map(({ operation, target, samples, ...figures }) => [
    operation,
    target,
    figure(figures.p50Ms, 3),
    figure(figures.p50ToFaster, 2, '×'),
    figure(figures.p99Ms, 3),
    figure(figures.p99ToFaster, 2, '×'),
    String(samples),
  ])
  return `${where}.\n${how}\n\n${alignedTable(heads, cells, new Set([0, 1]))}\n`
}

/** Writes the JSON file, and the Markdown beside it. */
export async function writeResults(out: string, results: Results): Promise<void> {
  await mkdir(dirname(out), { recursive: true })
  await writeFile(out, `${JSON.stringify(results)}\n`)
  await writeFile(`${out.replace(/\.json$/, '')}.md`, markdownOf(results))
}
