import { readdir } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import type { Bench } from '../bench.ts'
import { noFailures, type RunningLoad, startLoad } from '../load.ts'
import type { StartedTarget } from '../measurement.ts'
import { memoryBytesOf } from '../process-table.ts'
import type { Sample } from '../sample.ts'
import type { Target } from '../targets/target.ts'
import type { Experiment } from './experiment.ts'

const workers = 2
const longestSeconds = 120
const megabyte = 1e6

/** Clients that connect and say nothing. */
export const waiting: Experiment = {
  name: 'waiting',
  title: 'Memory of connections that wait, above that of the idle service',
  columns: ({ baseline }) => [
    { head: 'idle MB', figure: 'idleMb', decimals: 1 },
    { head: 'above idle MB', figure: 'aboveIdleMb', decimals: 1 },
    { figure: 'aboveIdleMb', vs: baseline },
    { head: 'bytes/connection', figure: 'bytesPerConnection', decimals: 0 },
    { head: 'closed by the server', figure: 'closed', decimals: 0 },
  ],
  async run(bench) {
    const samples: Sample[] = []
    // Those of an iterative server wait in the kernel's backlog, which is shorter and costs it nothing.
    const targets = bench.targets.filter(({ hasWorkers }) => hasWorkers)
    for (let round = 1; round <= bench.options.rounds; round += 1) {
      for (const target of targets) samples.push(...(await once(bench, target, round)))
    }
    return samples
  },
}

/** A fresh service in each round: what has grown once does not grow again. */
function once(bench: Bench, target: Target, round: number): Promise<Sample[]> {
  return bench.withTargets([{ target, workers }], async ([started]) => {
    if (started === undefined) return []
    const sample = await hold(bench, started, round)
    const mb = sample.figures['aboveIdleMb']?.toFixed(1)
    bench.progress(`waiting, round ${round}: ${target.name} ${mb} MB above idle`)
    return [sample]
  })
}

async function hold(bench: Bench, target: StartedTarget, round: number): Promise<Sample> {
  const { waiting: idle, lineBytes } = bench.options
  const request = { port: target.port, clients: 0, idle, seconds: longestSeconds, lineBytes }
  const before = await settledMemory(target)
  const load = startLoad(bench.program, request, bench.signal)
  // It is awaited below, where an error before that has not ended the round.
  load.report.catch(() => {})
  const after = await whileWaiting(load, idle, () => settledMemory(target))
  const { idleOpen } = await load.report
  const above = after - before
  return {
    target: target.name,
    conditions: { connections: idle },
    round,
    figures: {
      idleMb: before / megabyte,
      aboveIdleMb: above / megabyte,
      bytesPerConnection: idleOpen > 0 ? above / idleOpen : null,
      closed: idle - idleOpen,
    },
    failures: noFailures,
  }
}

/** Looks once all are connected, and lets them go. */
async function whileWaiting<T>(
  load: RunningLoad,
  count: number,
  look: () => Promise<T>,
): Promise<T> {
  try {
    await untilConnected(load, count)
    return await look()
  } finally {
    load.stop()
  }
}

const pollMs = 100
/** A server that takes no more connections leaves the generator waiting for each of the others. */
const patienceTurns = 50

/** Waits until the generator has all its sockets, or gets no more; it connects one client after the other. */
async function untilConnected({ pid, report }: RunningLoad, count: number): Promise<void> {
  const ended = report.then(() => true)
  let most = 0
  for (let idleTurns = 0; idleTurns < patienceTurns && most < count; idleTurns += 1) {
    if (await Promise.race([ended, delay(pollMs, false)])) return
    const open = await descriptorsOf(pid)
    if (open > most) idleTurns = 0
    most = Math.max(most, open)
  }
}

async function descriptorsOf(pid: number | undefined): Promise<number> {
  try {
    return (await readdir(`/proc/${pid}/fd`)).length
  } catch {
    return 0 // it has ended
  }
}

const settleMs = 300
const settleBytes = 500_000
const settleTurns = 100

/** The memory once it has stopped changing: servers go on accepting after the last client is connected. */
async function settledMemory({ running }: StartedTarget): Promise<number> {
  let last = await memoryBytesOf(await running.pids())
  let calm = 0
  for (let turn = 0; turn < settleTurns && calm < 3; turn += 1) {
    await delay(settleMs)
    const now = await memoryBytesOf(await running.pids())
    calm = Math.abs(now - last) < settleBytes ? calm + 1 : 0
    last = now
  }
  return last
}
