/**
 * Measures helloserver side by side with its alternatives; see README.md in this folder.
 * Exit status: 0 measured; 1 could not measure; 2 usage; 128 and the signal's number when interrupted.
 */
import { loadavg } from 'node:os'
import { Bench } from './bench.ts'
import { experimentsNamed } from './experiments/index.ts'
import { describeMachine } from './machine.ts'
import { compileNative } from './native.ts'
import { type Options, parseOptions, usage } from './options.ts'
import { abortOnSignals, progress, runProgram } from './program.ts'
import {
  type Finding,
  findingOf,
  markdownOf,
  type Results,
  resultsOf,
  writeResults,
} from './results.ts'
import { targetsNamed } from './targets/index.ts'

/** Runs the experiments, and saves the results after each: one that fails must not cost those before it. */
async function run(options: Options, signal: AbortSignal): Promise<Results> {
  const machine = await describeMachine()
  progress('Compiling the C programs')
  const programs = await compileNative()
  const targets = targetsNamed(options.targets, programs)
  const bench = new Bench(options, programs.load, targets, progress, signal)
  const findings: Finding[] = []
  const soFar = () => resultsOf(machine, loadavg()[0] ?? 0, options, bench.leftOut, findings)
  for (const experiment of experimentsNamed(options.experiments)) {
    findings.push(findingOf(experiment, options, await experiment.run(bench)))
    await writeResults(options.out, soFar())
  }
  return soFar()
}

async function main(): Promise<void> {
  const results = await run(parseOptions(process.argv.slice(2)), abortOnSignals())
  process.stdout.write(`${markdownOf(results)}\n`)
}

await runProgram(main, usage)
