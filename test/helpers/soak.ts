/** Shared by the soaks: their options, and how they end. */
import { parseArgs } from 'node:util'
import { messageOf } from '../../src/errors.ts'
import { Cleanups } from './cleanup.ts'
import { chooseSeed } from './random.ts'

/** The duration of a soak, its events, and their order. */
export interface SoakOptions {
  readonly limitMs: number
  readonly times: number
  readonly seed: number
  /** Words of which an event's name must contain one; undefined selects all events. */
  readonly words: readonly string[] | undefined
  /** The options of this soak alone, by name. */
  readonly own: Readonly<Record<string, number | undefined>>
}

export interface Soak<T> {
  /** The npm script. */
  readonly command: string
  /** The soak's own options, each a number, with their descriptions. */
  readonly own?: Readonly<Record<string, string>>
  /** Chooses the events that can happen under these options; throws when the options make no sense. */
  choose(options: SoakOptions): readonly T[]
  /** Rejects when something went wrong; otherwise resolves with the message to print. */
  run(cleanups: Cleanups, options: SoakOptions, events: readonly T[]): Promise<string>
}

/** Runs a soak by its command line. Exit status: 0 nothing went wrong; 1 something did; 2 usage. */
export async function soak<T>(wanted: Soak<T>): Promise<void> {
  const { command, own = {} } = wanted
  if (process.argv.includes('--help')) {
    process.stdout.write(usageOf(command, own))
    return
  }
  try {
    const options = readOptions(Object.keys(own))
    const events = wanted.choose(options)
    try {
      print(`Seed ${options.seed}`)
      print(`Seed ${options.seed}: ${await runAndTidy(wanted, options, events)}`)
    } catch (error) {
      process.stderr.write(`${messageOf(error)}\n`)
      process.exitCode = 1
    }
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n\n${usageOf(command, own)}`)
    process.exitCode = 2
  }
}

async function runAndTidy<T>(
  wanted: Soak<T>,
  options: SoakOptions,
  events: readonly T[],
): Promise<string> {
  const cleanups = new Cleanups()
  try {
    return await wanted.run(cleanups, options, events)
  } finally {
    await cleanups.run()
  }
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** Ends a sequence at the first signal, so that the events up to then are reported and cleaned up. */
export function* untilInterrupted<T>(sequence: Iterable<T>): Generator<T> {
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

function readOptions(own: readonly string[]): SoakOptions {
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    options: {
      ...Object.fromEntries(own.map((key) => [key, text])),
      minutes: text,
      times: text,
      seed: text,
      events: text,
    },
  })
  const given = values as Readonly<Record<string, string | undefined>>
  const number = (key: string) => {
    const word = given[key]
    if (word === undefined) return undefined
    const value = Number(word)
    if (word.trim() !== '' && value >= 0) return value
    throw new Error(`Option --${key} is "${word}", expected a number`)
  }
  return {
    limitMs: (number('minutes') ?? (given['times'] === undefined ? 10 : Infinity)) * 60_000,
    times: number('times') ?? Infinity,
    seed: number('seed') ?? chooseSeed(),
    words: given['events']?.split(','),
    own: Object.fromEntries(own.map((key) => [key, number(key)])),
  }
}

function usageOf(command: string, own: Readonly<Record<string, string>>): string {
  const options = {
    'minutes M': 'how long, at the most [10, without --times]',
    'times N': 'how many events, at the most',
    'seed N': 'repeats the run that printed it',
    'events A,B': 'only the events whose name contains one of these words [all]',
    ...Object.fromEntries(Object.entries(own).map(([key, meaning]) => [`${key} N`, meaning])),
  }
  const lines = Object.entries(options).map(
    ([key, meaning]) => `  --${key.padEnd(14)} ${meaning}\n`,
  )
  return `usage: npm run ${command} -- [options]\n${lines.join('')}`
}
