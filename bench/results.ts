import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Machine } from './machine.ts'
import type { Measurement } from './measurement.ts'
import type { Options } from './options.ts'
import { type Summary, summarize } from './summary.ts'
import { tableOf } from './table.ts'
import { workers } from './targets/target.ts'

/** All results of one run, as written to the JSON file. */
export interface Results {
  takenAt: string
  machine: Machine
  settings: Omit<Options, 'out'> & { workers: number }
  medians: Summary[]
  measurements: Measurement[]
}

export function resultsOf(
  machine: Machine,
  options: Options,
  measurements: Measurement[],
): Results {
  const { targets, baseline, clients, rounds, seconds, lineBytes } = options
  return {
    takenAt: new Date().toISOString(),
    machine,
    // Named one by one, to leave out the path of the file, which is private.
    settings: { targets, baseline, clients, rounds, seconds, lineBytes, workers },
    medians: summarize(measurements, baseline),
    measurements,
  }
}

/** The figures for people: what was measured, on which machine, and the table. */
export function markdownOf({ takenAt, machine, settings, medians }: Results): string {
  const where = `${machine.cpu}, ${machine.cores} cores, ${machine.system}, Node ${machine.node}`
  const withPm2 = machine.pm2 === null ? '' : `, pm2 ${machine.pm2}`
  const how =
    `Medians of ${settings.rounds} rounds of ${settings.seconds} s, ` +
    `${settings.lineBytes}-byte lines, ${settings.workers} workers; taken ${takenAt.slice(0, 10)} ` +
    `with a load of ${machine.loadBefore.toFixed(1)} beforehand.`
  return `${where}${withPm2}.\n${how}\n\n${tableOf(medians, settings.baseline)}\n`
}

/** Writes the JSON file, and the Markdown beside it. */
export async function writeResults(out: string, results: Results): Promise<void> {
  await mkdir(dirname(out), { recursive: true })
  await writeFile(out, `${JSON.stringify(results, null, 2)}\n`)
  await writeFile(`${out.replace(/\.json$/, '')}.md`, markdownOf(results))
}
