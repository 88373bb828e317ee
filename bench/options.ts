import { parseArgs } from 'node:util'
import { type ExperimentName, experimentNames } from './experiments/experiment.ts'
import { type Handler, handlerNamed } from './handlers.ts'
import { defaultOut } from './paths.ts'
import { crossPlan, fullPlan, quickPlan, type Stage } from './plan.ts'
import { type TargetName, targetNames, usualTargets } from './targets/target.ts'

/** The subject and the duration of a measurement. */
export interface Options {
  readonly experiments: readonly ExperimentName[]
  readonly targets: readonly TargetName[]
  /** The target with which the others are compared, if it is among them. */
  readonly baseline: TargetName
  /** The loads of `throughput`. */
  readonly plan: readonly Stage[]
  readonly rounds: number
  /** The duration of one measurement. */
  readonly seconds: number
  /** The length of the line that each client sends, CRLF included. */
  readonly lineBytes: number
  /** The connections of `waiting`. */
  readonly waiting: number
  /** Path of the JSON file; the Markdown goes beside it. */
  readonly out: string
}

/** The arguments are wrong; the message says how. */
export class UsageError extends Error {
  override name = 'UsageError'
}

const quick = {
  experiments: ['throughput', 'fairness'] satisfies ExperimentName[],
  plan: quickPlan,
  seconds: '0.5',
}
const full = { experiments: experimentNames, plan: fullPlan, seconds: '2' }

export const usage = `usage: npm run bench -- [experiment …] [options]
  throughput       clients that connect again and again
  fairness         fast clients beside one whose handler computes for 500 ms
  waiting          memory of connections that wait
  reload           cost of a reload under load
  width            cost of 64 workers with one client
  tls              the same clients through TLS, with full and with resumed handshakes
                   [${quick.experiments.join(' and ')}; with --full, all]
  --full           every experiment, from 1 worker to 64 and from 1 client to 1,024, with longer rounds
  --targets A,B    of ${targetNames.join(', ')} [all but helloserver-watched]
  --baseline A     the target that the others are compared with [pm2-cluster]
  --workers N,M    throughput: serving processes, 1 to 64 [2]
  --clients N,M    throughput: concurrent clients, 1 to 1024 [1,16,64]
  --handlers A,B   throughput: echo, burn-N (N ms of processor time), wait-N (N ms) [echo]
                   without any of these three, a selection of them
  --waiting N      waiting: connections [10000]
  --rounds N       measurements of each target under each load [7]
  --seconds S      length of one measurement [${quick.seconds}; with --full, ${full.seconds}]
  --line-bytes N   length of the line sent, CRLF included [32]
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

function oneOf<Name extends string>(what: string, text: string, names: readonly Name[]): Name {
  const name = names.find((known) => known === text)
  if (name !== undefined) return name
  throw new UsageError(`${what} '${text}', expected ${names.join(', ')}`)
}

const targetFrom = (key: string, text: string) => oneOf(`Option --${key} names`, text, targetNames)

function handlerFrom(text: string): Handler {
  const handler = handlerNamed(text)
  if (handler !== undefined) return handler
  throw new UsageError(`Option --handlers names '${text}', expected echo, burn-N or wait-N`)
}

const listOf = <T>(text: string, from: (item: string) => T) => [
  ...new Set(text.split(',').map((item) => from(item))),
]

function read(argv: readonly string[]) {
  const text = { type: 'string' } as const
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        targets: text,
        baseline: text,
        workers: text,
        clients: text,
        handlers: text,
        waiting: text,
        rounds: text,
        seconds: text,
        'line-bytes': text,
        full: { type: 'boolean', default: false },
        out: text,
      },
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function planFrom(
  given: ReturnType<typeof read>['values'],
  usual: readonly Stage[],
): readonly Stage[] {
  const { workers, handlers, clients } = given
  if (workers === undefined && handlers === undefined && clients === undefined) return usual
  return crossPlan(
    listOf(workers ?? '2', (text) => numberFrom('workers', text, 1, 64)),
    listOf(handlers ?? 'echo', handlerFrom),
    listOf(clients ?? '1,16,64', (text) => numberFrom('clients', text, 1, 1024)),
  )
}

/** @throws UsageError naming the option, the value given and the values accepted */
export function parseOptions(argv: readonly string[]): Options {
  const { values: given, positionals } = read(argv)
  const usual = given.full ? full : quick
  const named = positionals.map((text) => oneOf('Got the experiment', text, experimentNames))
  return {
    experiments: named.length > 0 ? named : usual.experiments,
    targets: listOf(given.targets ?? usualTargets.join(','), (text) => targetFrom('targets', text)),
    baseline: targetFrom('baseline', given.baseline ?? 'pm2-cluster'),
    plan: planFrom(given, usual.plan),
    rounds: numberFrom('rounds', given.rounds ?? '7', 1, 1000),
    seconds: numberFrom('seconds', given.seconds ?? usual.seconds, 0.1, 3600, false),
    // The least holds the longest prefix; 1024 is the longest line that helloserver accepts unless configured
    // otherwise.
    lineBytes: numberFrom('line-bytes', given['line-bytes'] ?? '32', 32, 1024),
    waiting: numberFrom('waiting', given.waiting ?? '10000', 1, 100_000),
    out: given.out ?? defaultOut,
  }
}
