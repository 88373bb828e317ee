/** `npm run soak`: the suite for as long as one likes. Exit status: 0 nothing was lost; 1 something was; 2 usage. */
import { parseArgs } from 'node:util'
import { messageOf } from '../../src/errors.ts'
import { Cleanups } from '../helpers/cleanup.ts'
import { chooseSeed, randomFrom } from '../helpers/random.ts'
import { deal } from './deck.ts'
import type { Event } from './event.ts'
import { events, eventsNamed } from './events/index.ts'
import { runSuite } from './suite.ts'

const usage = `usage: npm run soak -- [options]
  --minutes M      how long [10]
  --seed N         repeats the run that printed it
  --events A,B     only the events whose name contains one of these words [all]
`

interface Options {
  readonly limitMs: number
  readonly seed: number
  readonly events: readonly Event[]
}

function readOptions(): Options {
  const text = { type: 'string' } as const
  const { values } = parseArgs({ options: { minutes: text, seed: text, events: text } })
  const number = (key: string, given: string) => {
    const value = Number(given)
    if (given.trim() !== '' && value >= 0) return value
    throw new Error(`Option --${key} is "${given}", expected a number`)
  }
  return {
    limitMs: number('minutes', values.minutes ?? '10') * 60_000,
    seed: values.seed === undefined ? chooseSeed() : number('seed', values.seed),
    events: values.events === undefined ? events : eventsNamed(values.events.split(',')),
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

async function soak(options: Options): Promise<void> {
  const { seed, limitMs } = options
  print(`Seed ${seed}`)
  const cleanups = new Cleanups()
  try {
    const sequence = deal(options.events, randomFrom(seed))
    await runSuite(cleanups, { seed, sequence, limitMs, print })
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
