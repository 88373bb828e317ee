import type { Bench } from '../bench.ts'
import type { LoadRequest, TlsLoad } from '../load.ts'
import { figuresOf, measure, type StartedTarget } from '../measurement.ts'
import type { Load } from '../plan.ts'
import type { Sample } from '../sample.ts'
import type { Experiment } from './experiment.ts'

/** Long enough for V8's compiler to settle on its treatment of the hot functions. */
const warmUpSeconds = 1

/** Closed-loop clients, as fast as the servers let them. */
export const throughput: Experiment = {
  name: 'throughput',
  title: 'Clients that connect again and again',
  columns: ({ baseline }) => [
    { head: 'connections/s', figure: 'connectionsPerSecond', decimals: 0 },
    { figure: 'connectionsPerSecond', vs: baseline },
    { figure: 'connectionsPerSecond', vs: 'c-iterative' },
    { head: 'p50 ms', figure: 'p50Ms', decimals: 2 },
    { head: 'p99 ms', figure: 'p99Ms', decimals: 2 },
    { figure: 'p99Ms', vs: baseline },
    { head: 'CPU µs/connection', figure: 'cpuUsPerConnection', decimals: 0 },
    { figure: 'cpuUsPerConnection', vs: baseline },
    { figure: 'cpuUsPerConnection', vs: 'c-iterative' },
    { head: 'generator %', figure: 'generatorPercent', decimals: 0 },
  ],
  async run(bench) {
    const samples: Sample[] = []
    for (const { workers, loads } of bench.options.plan) {
      const setups = bench.targets.map((target) => ({ target, workers }))
      await bench.withTargets(setups, async (started) => {
        for (const load of loads) samples.push(...(await inRounds(bench, started, load)))
      })
    }
    return samples
  },
}

/** Puts the load on each of the targets in turn, in every round. */
export async function inRounds(
  bench: Bench,
  started: readonly StartedTarget[],
  { handler, clients }: Load,
  tls?: TlsLoad,
): Promise<Sample[]> {
  const { rounds, seconds, lineBytes } = bench.options
  const request = { clients, seconds, lineBytes, prefix: handler.prefix, ...(tls && { tls }) }
  await warmUp(bench, started, request)
  const samples: Sample[] = []
  for (let round = 1; round <= rounds; round += 1) {
    for (const target of started) {
      const measured = await measure(bench, target, request)
      const { name, workers } = target
      const { failures, connectionsPerSecond } = measured.report
      const conditions = { workers, handler: handler.name, clients }
      samples.push({ target: name, conditions, round, figures: figuresOf(measured), failures })
      const what = `${handler.name}, ${workers} workers, ${clients} clients, round ${round}`
      bench.progress(`${what}: ${name} ${Math.round(connectionsPerSecond)} connections/s`)
    }
  }
  return samples
}

async function warmUp(
  bench: Bench,
  started: readonly StartedTarget[],
  request: Omit<LoadRequest, 'port'>,
): Promise<void> {
  const seconds = Math.min(warmUpSeconds, request.seconds)
  for (const target of started) await measure(bench, target, { ...request, seconds })
}
