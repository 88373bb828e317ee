import { echo } from '../handlers.ts'
import type { Sample } from '../sample.ts'
import type { Experiment } from './experiment.ts'
import { inRounds } from './throughput.ts'

const few = 2
const many = 64

/** One client, few workers, many workers: the cost of workers that have nothing to do. */
export const width: Experiment = {
  name: 'width',
  title: `One client and ${many} workers, beside ${few} workers`,
  columns: () => [
    { head: 'connections/s', figure: 'connectionsPerSecond', decimals: 0 },
    { figure: 'connectionsPerSecond', vs: { condition: 'workers', value: few } },
    { head: 'p99 ms', figure: 'p99Ms', decimals: 2 },
    { head: 'CPU µs/connection', figure: 'cpuUsPerConnection', decimals: 0 },
    { figure: 'cpuUsPerConnection', vs: { condition: 'workers', value: few } },
  ],
  async run(bench) {
    const samples: Sample[] = []
    // One target at a time: a target is compared with itself, and few machines hold 64 processes of each at once.
    for (const target of bench.targets.filter(({ hasWorkers }) => hasWorkers)) {
      const setups = [few, many].map((workers) => ({ target, workers }))
      await bench.withTargets(setups, async (started) => {
        samples.push(...(await inRounds(bench, started, { handler: echo, clients: 1 })))
      })
    }
    return samples
  },
}
