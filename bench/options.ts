import { parseArgs } from 'node:util'
import { defaultOut } from './paths.ts'
import { type TargetName, targetNames, usualTargets } from './targets/target.ts'

/** The subject and the duration of a measurement. */
export interface Options {
  targets: TargetName[]
  /** The target with which the others are compared, if it is among them. */
  baseline: TargetName
  clients: number[]
  rounds: number
  /** The duration of one measurement. */
  seconds: number
  /** The length of the line that each client sends, CRLF included. */
  lineBytes: number
  /** Path of the JSON file; the Markdown goes beside it. */
  out: string
}

/** The arguments are wrong; the message says how. */
export class UsageError extends Error {
  override name = 'UsageError'
}

export const usage = `usage: npm run bench -- [options]
  --targets A,B    of ${targetNames.join(', ')} [all but helloserver-watched]
  --baseline A     the target that the others are compared with [pm2-cluster]
  --clients N,M    concurrent clients [1,16,64,256]
  --rounds N       measurements of each target at each number of clients [5]
  --seconds S      length of one measurement [2]
  --line-bytes N   length of the line sent, CRLF included [32]
  --quick          2 rounds of 0.5 s with 1 and 64 clients, unless told otherwise
  --out FILE       where the figures go [bench/results/latest.json]
`

/** @throws UsageError naming the option, the value given and the values accepted */
export function numberFrom(
  key: string,
  text: string,
  least: number,
  most: number,
  whole = true,
): number {
  const value = text.trim() === '' ? Number.NaN : Number(text)
  if (value >= least && value <= most && (!whole || Number.isInteger(value))) return value
  const kind = whole ? 'a whole number' : 'a number'
  throw new UsageError(`Option --${key} is '${text}', expected ${kind} from ${least} to ${most}`)
}

function targetFrom(key: string, text: string): TargetName {
  const name = targetNames.find((known) => known === text)
  if (name) return name
  throw new UsageError(`Option --${key} names '${text}', expected ${targetNames.join(', ')}`)
}

function read(argv: readonly string[]) {
  const text = { type: 'string' } as const
  try {
    return parseArgs({
      args: [...argv],
      options: {
        targets: text,
        baseline: text,
        clients: text,
        rounds: text,
        seconds: text,
        'line-bytes': text,
        quick: { type: 'boolean', default: false },
        out: text,
      },
    }).values
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

/** @throws UsageError naming the option, the value given and the values accepted */
export function parseOptions(argv: readonly string[]): Options {
  const given = read(argv)
  const usual = given.quick
    ? { clients: '1,64', rounds: '2', seconds: '0.5' }
    : { clients: '1,16,64,256', rounds: '5', seconds: '2' }
  const clients = (given.clients ?? usual.clients).split(',')
  const targets = (given.targets ?? usualTargets.join(',')).split(',')
  return {
    targets: [...new Set(targets.map((text) => targetFrom('targets', text)))],
    baseline: targetFrom('baseline', given.baseline ?? 'pm2-cluster'),
    clients: clients.map((text) => numberFrom('clients', text, 1, 10_000)),
    rounds: numberFrom('rounds', given.rounds ?? usual.rounds, 1, 1000),
    seconds: numberFrom('seconds', given.seconds ?? usual.seconds, 0.1, 3600, false),
    // 1024 is the longest line that helloserver accepts unless configured otherwise.
    lineBytes: numberFrom('line-bytes', given['line-bytes'] ?? '32', 14, 1024),
    out: given.out ?? defaultOut,
  }
}
