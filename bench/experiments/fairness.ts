import type { Bench } from '../bench.ts'
import { runLoad, startLoad } from '../load.ts'
import type { StartedTarget } from '../measurement.ts'
import type { Figures, Sample } from '../sample.ts'
import type { Experiment } from './experiment.ts'

const workers = 2
const fastClients = 8
const slowPrefix = 'burn 500 '
/** Enough for the slow client's handler to run several times. */
const leastSeconds = 3

/** One client whose handler computes for half a second, again and again, beside fast ones. */
export const fairness: Experiment = {
  name: 'fairness',
  title: `${fastClients} fast clients beside one whose handler computes for 500 ms`,
  columns: ({ baseline }) => [
    { head: 'fast connections/s', figure: 'connectionsPerSecond', decimals: 0 },
    { head: 'p50 ms', figure: 'p50Ms', decimals: 2 },
    { head: 'p99 ms', figure: 'p99Ms', decimals: 2 },
    { head: 'longest ms', figure: 'maxMs', decimals: 1 },
    { figure: 'maxMs', vs: baseline },
    { head: 'slow connections', figure: 'slow', decimals: 0 },
  ],
  async run(bench) {
    const setups = bench.targets.map((target) => ({ target, workers }))
    return await bench.withTargets(setups, (started) => inRounds(bench, started))
  },
}

async function inRounds(bench: Bench, started: readonly StartedTarget[]): Promise<Sample[]> {
  const samples: Sample[] = []
  for (let round = 0; round <= bench.options.rounds; round += 1) {
    for (const target of started) {
      const sample = await mix(bench, target, round)
      // The first round is the warm-up.
      if (round > 0) samples.push(sample)
      bench.progress(
        `fairness, round ${round}: ${target.name} ${sample.figures['maxMs']} ms at most`,
      )
    }
  }
  return samples
}

async function mix(bench: Bench, { name, port }: StartedTarget, round: number): Promise<Sample> {
  const { options, program, signal } = bench
  const seconds = Math.max(options.seconds, leastSeconds)
  const common = { port, seconds, lineBytes: options.lineBytes }
  const slow = startLoad(program, { ...common, clients: 1, prefix: slowPrefix }, signal)
  const [fastReport, slowReport] = await Promise.all([
    runLoad(program, { ...common, clients: fastClients }, signal),
    slow.report,
  ])
  const { connectionsPerSecond, latencyUs, failures } = fastReport
  const ms = (us: number | undefined) => (us === undefined ? null : us / 1000)
  const figures: Figures = {
    connectionsPerSecond,
    p50Ms: ms(latencyUs?.p50),
    p99Ms: ms(latencyUs?.p99),
    maxMs: ms(latencyUs?.max),
    slow: slowReport.ok,
  }
  return { target: name, conditions: {}, round, figures, failures }
}
