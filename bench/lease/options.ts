import { parseArgs } from 'node:util'
import { numberFrom, UsageError } from '../options.ts'
import { leaseOut } from '../paths.ts'
import type { Lengths } from './rounds.ts'

export interface Options extends Lengths {
  /** Path of the JSON file; the Markdown goes beside it. */
  readonly out: string
}

export const usage = `usage: npm run bench:lease -- [options]
  --rounds N       measurements of each lock [5]
  --cycles N       acquisitions, renewals and releases in a round [2000]
  --hand-overs N   hand-overs in a round [40]
  --quick          2 rounds of 200 cycles and 10 hand-overs, unless told otherwise
  --out FILE       where the figures go [bench/results/lease.json]
`

function read(argv: readonly string[]) {
  const text = { type: 'string' } as const
  const quick = { type: 'boolean', default: false } as const
  const options = { rounds: text, cycles: text, 'hand-overs': text, quick, out: text }
  try {
    return parseArgs({ args: [...argv], options }).values
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

/** @throws UsageError naming the option, the value given and the values accepted */
export function parseOptions(argv: readonly string[]): Options {
  const given = read(argv)
  const usual = given.quick ? ['2', '200', '10'] : ['5', '2000', '40']
  const [rounds = '', cycles = '', handOvers = ''] = usual
  return {
    rounds: numberFrom('rounds', given.rounds ?? rounds, 1, 1000),
    cycles: numberFrom('cycles', given.cycles ?? cycles, 1, 1_000_000),
    handOvers: numberFrom('hand-overs', given['hand-overs'] ?? handOvers, 1, 10_000),
    out: given.out ?? leaseOut,
  }
}
