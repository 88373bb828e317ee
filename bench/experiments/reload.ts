import { setTimeout as delay } from 'node:timers/promises'
import type { Bench } from '../bench.ts'
import { startLoad } from '../load.ts'
import { measure, type StartedTarget, withCpu } from '../measurement.ts'
import type { Sample } from '../sample.ts'
import type { Experiment } from './experiment.ts'

const workers = 2
const clients = 16
/** The load begins so long before the reload, and ends so long after it. */
const marginMs = 500
const longestSeconds = 300

/** The replacement of all workers while clients go on. */
export const reload: Experiment = {
  name: 'reload',
  title: `A reload under the load of ${clients} clients`,
  columns: ({ baseline }) => [
    { head: 'reload s', figure: 'reloadSeconds', decimals: 2 },
    { figure: 'reloadSeconds', vs: baseline },
    { head: 'service lost s', figure: 'lostSeconds', decimals: 2 },
    { head: 'longest ms', figure: 'maxMs', decimals: 0 },
    { head: 'extra CPU s', figure: 'extraCpuSeconds', decimals: 2 },
    { figure: 'extraCpuSeconds', vs: baseline },
  ],
  async run(bench) {
    const setups = bench.targets
      .filter(({ canReload }) => canReload)
      .map((target) => ({ target, workers }))
    return await bench.withTargets(setups, async (started) => {
      const samples: Sample[] = []
      for (let round = 1; round <= bench.options.rounds; round += 1) {
        for (const target of started) samples.push(await once(bench, target, round))
      }
      return samples
    })
  },
}

/** A load without a reload, then one with it. */
async function once(bench: Bench, target: StartedTarget, round: number): Promise<Sample> {
  const { seconds, lineBytes } = bench.options
  const steady = await measure(bench, target, { clients, seconds, lineBytes })
  const { result, cpuUs } = await withCpu(target, () => reloadUnderLoad(bench, target))
  const { report, reloadSeconds } = result
  const steadyRate = steady.report.connectionsPerSecond
  const steadyCpuUs = (steady.cpuUs / Math.max(1, steady.report.ok)) * report.ok
  bench.progress(`reload, round ${round}: ${target.name} ${reloadSeconds.toFixed(2)} s`)
  return {
    target: target.name,
    conditions: {},
    round,
    figures: {
      reloadSeconds,
      // The time that the steady rate would have needed for what was not served.
      lostSeconds: report.seconds * (1 - report.connectionsPerSecond / steadyRate),
      maxMs: report.latencyUs === null ? null : report.latencyUs.max / 1000,
      extraCpuSeconds: (cpuUs - steadyCpuUs) / 1e6,
    },
    failures: report.failures,
  }
}

async function reloadUnderLoad(bench: Bench, { port, running }: StartedTarget) {
  const { program, signal, options } = bench
  const request = { port, clients, seconds: longestSeconds, lineBytes: options.lineBytes }
  const load = startLoad(program, request, signal)
  try {
    await delay(marginMs, undefined, { signal })
    const began = performance.now()
    await running.reload?.()
    const reloadSeconds = (performance.now() - began) / 1000
    await delay(marginMs, undefined, { signal })
    load.stop()
    return { report: await load.report, reloadSeconds }
  } catch (error) {
    load.stop()
    // The first cause counts: when the run is aborted, the load ends by the same signal.
    await load.report.catch(() => {})
    throw error
  }
}
