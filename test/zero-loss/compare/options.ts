import { parseArgs } from 'node:util'
import { type Trial, trials } from './trials.ts'

export interface CompareOptions {
  /** How often each of the trials is run. */
  readonly rounds: number
  readonly trials: readonly Trial[]
}

export const usage = `usage: npm run compare -- [options]
  --rounds N     how often each event happens to each [3]
  --trials A,B   only the events whose name contains one of these words [all]
`

/** @throws Error naming the option, what it got and what it takes */
export function readOptions(): CompareOptions {
  const text = { type: 'string' } as const
  const { values } = parseArgs({ options: { rounds: text, trials: text } })
  const rounds = Number(values.rounds ?? 3)
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new Error(`Option --rounds is "${values.rounds}", expected a whole number from 1`)
  }
  const words = values.trials?.split(',') ?? ['']
  const chosen = trials.filter(({ name }) => words.some((word) => name.includes(word)))
  if (chosen.length === 0) {
    const names = trials.map(({ name }) => name).join('; ')
    throw new Error(`Option --trials is "${values.trials}", expected words from: ${names}`)
  }
  return { rounds, trials: chosen }
}
