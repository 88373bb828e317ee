import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { LeftOut } from './bench.ts'
import type { Experiment, ExperimentName } from './experiments/experiment.ts'
import type { Machine } from './machine.ts'
import type { Options } from './options.ts'
import type { Sample } from './sample.ts'
import { summarize } from './summary.ts'
import { tableOf } from './table.ts'

/** What one experiment has found. */
export interface Finding {
  readonly experiment: ExperimentName
  readonly title: string
  readonly table: string
  readonly samples: readonly Sample[]
}

/** All results of one run, as written to the JSON file. */
export interface Results {
  readonly takenAt: string
  readonly machine: Machine
  readonly loadAfter: number
  readonly settings: Omit<Options, 'out' | 'plan' | 'experiments'>
  readonly leftOut: readonly LeftOut[]
  readonly findings: readonly Finding[]
}

export function findingOf(
  experiment: Experiment,
  options: Options,
  samples: readonly Sample[],
): Finding {
  const { name, title } = experiment
  const table = tableOf(summarize(samples), experiment.columns(options))
  return { experiment: name, title, table, samples }
}

export function resultsOf(
  machine: Machine,
  loadAfter: number,
  options: Options,
  leftOut: readonly LeftOut[],
  findings: readonly Finding[],
): Results {
  const { targets, baseline, rounds, seconds, lineBytes, waiting } = options
  return {
    takenAt: new Date().toISOString(),
    machine,
    loadAfter,
    // Named one by one, to leave out the path of the file, which is private.
    settings: { targets, baseline, rounds, seconds, lineBytes, waiting },
    leftOut,
    findings,
  }
}

/** The figures for people: what was measured, on which machine, and the tables. */
export function markdownOf(results: Results): string {
  const { takenAt, machine, loadAfter, settings, leftOut, findings } = results
  const where = `${machine.cpu}, ${machine.cores} cores, ${machine.system}, Node ${machine.node}`
  const withPm2 = machine.pm2 === null ? '' : `, pm2 ${machine.pm2}`
  const how =
    `Medians of ${settings.rounds} rounds of ${settings.seconds} s, ` +
    `${settings.lineBytes}-byte lines; taken ${takenAt.slice(0, 10)}, with a load of ` +
    `${machine.loadBefore.toFixed(1)} before and ${loadAfter.toFixed(1)} after.`
  const missing = leftOut.map(({ target, reason }) => `${target} is left out: ${reason}.`)
  const parts = findings.map(({ title, table }) => `${title}:\n\n${table}`)
  return `${[`${where}${withPm2}.\n${how}`, ...missing, ...parts].join('\n\n')}\n`
}

/** Writes the JSON file, and the Markdown beside it. */
export async function writeResults(out: string, results: Results): Promise<void> {
  await mkdir(dirname(out), { recursive: true })
  await writeFile(out, `${JSON.stringify(results, null, 2)}\n`)
  await writeFile(`${out.replace(/\.json$/, '')}.md`, markdownOf(results))
}
