/** `npm run soak`: the suite for as long as one likes. Exit status: 0 nothing was lost; 1 something was; 2 usage. */
import { parseArgs } from 'node:util'
import { messageOf } from '../../src/errors.ts'
import { Cleanups } from '../helpers/cleanup.ts'
import { chooseSeed, randomFrom } from '../helpers/random.ts'
import { deal, first } from '../helpers/deck.ts'
import type { Event } from './event.ts'
import { events, eventsNamed } from './events/index.ts'
import { runSuite } from './suite.ts'

const usage = `usage: npm run soak -- [options]
  --minutes M      how long, at the most [10, without --times]
  --times N        how many events, at the most
  --seed N         repeats the run that printed it
  --events A,B     only the events whose name contains one of these words [all]
`

interface Options {
  readonly limitMs: number
  readonly times: number
  readonly seed: number
  readonly events: readonly Event[]
}

function readOptions(): Options {
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    options: { minutes: text, times: text, seed: text, events: text },
  })
  const number = (key: keyof typeof values, otherwise: number) => {
    const given = values[key]
    if (given === undefined) return otherwise
    const value = Number(given)
    if (given.trim() !== '' && value >= 0) return value
    throw new Error(`Option --${key} is "${given}", expected a number`)
  }
  return {
    limitMs: number('minutes', values.times === undefined ? 10 : Infinity) * 60_000,
    times: number('times', Infinity),
    seed: number('seed', chooseSeed()),
    events: values.events === undefined ? events : eventsNamed(values.events.split(',')),
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** Ends a sequence with the first signal, so that what has happened by then is reported and tidied up. */
function* untilInterrupted<T>(sequence: Iterable<T>): Generator<T> {
  let isInterrupted = false
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => {
      isInterrupted = true
    })
  }
  for (const one of sequence) {
    if (isInterrupted) return
    yield one
  }
}

async function soak(options: Options): Promise<void> {
  const { seed, limitMs, times } = options
  print(`Seed ${seed}`)
  const cleanups = new Cleanups()
  try {
    const sequence = first(times, deal(options.events, randomFrom(seed)))
    await runSuite(cleanups, { seed, sequence: untilInterrupted(sequence), limitMs, print })
  } finally {
    await cleanups.run()
  }
  print(`Seed ${seed}: nothing was lost that might not be`)
}

try {
  const options = readOptions()
  try {
    await soak(options)
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`)
    process.exitCode = 1
  }
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n\n${usage}`)
  process.exitCode = 2
}
