/**
 * Measures helloserver side by side with its alternatives; see README.md in this folder.
 * Exit status: 0 measured; 1 could not measure; 2 usage; 128 and the signal's number when interrupted.
 */
import { describeMachine } from './machine.ts'
import type { StartedTarget } from './measurement.ts'
import { compileNative } from './native.ts'
import { type Options, parseOptions, usage } from './options.ts'
import { abortOnSignals, messageOf, progress, runProgram } from './program.ts'
import { freePort } from './readiness.ts'
import { markdownOf, type Results, resultsOf, writeResults } from './results.ts'
import { measureAll } from './rounds.ts'
import { targetsNamed } from './targets/index.ts'
import type { Target } from './targets/target.ts'

async function startOne(target: Target, signal: AbortSignal): Promise<StartedTarget> {
  const port = await freePort()
  try {
    return { name: target.name, port, running: await target.start(port, signal) }
  } catch (error) {
    throw new Error(`Target ${target.name} did not start: ${messageOf(error)}`, { cause: error })
  }
}

/** A target that does not stop must not keep the others from being stopped. */
async function stopAll(started: readonly StartedTarget[]): Promise<void> {
  for (const { name, running } of started.toReversed()) {
    try {
      await running.stop()
    } catch (error) {
      process.exitCode = 1
      progress(`Target ${name} did not stop: ${String(error)}`)
    }
  }
}

async function run(options: Options, signal: AbortSignal): Promise<Results> {
  const machine = await describeMachine()
  progress('Compiling the C programs')
  const programs = await compileNative()
  const started: StartedTarget[] = []
  try {
    for (const target of targetsNamed(options.targets, programs)) {
      progress(`Starting ${target.name}`)
      started.push(await startOne(target, signal))
    }
    const measured = await measureAll(programs.load, started, options, progress, signal)
    return resultsOf(machine, options, measured)
  } finally {
    await stopAll(started)
  }
}

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2))
  const signal = abortOnSignals()
  const results = await run(options, signal)
  await writeResults(options.out, results)
  process.stdout.write(`${markdownOf(results)}\n`)
}

await runProgram(main, usage)
