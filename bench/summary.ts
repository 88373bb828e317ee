import { type Failures, failureKinds } from './load.ts'
import type { Measurement } from './measurement.ts'
import { median } from './median.ts'
import type { TargetName } from './targets/target.ts'

/** Medians over the rounds of one target at one number of clients. */
export interface Summary {
  target: TargetName
  clients: number
  rounds: number
  connectionsPerSecond: number | null
  p50Ms: number | null
  p99Ms: number | null
  cpuUsPerConnection: number | null
  /** Median of the ratios to the baseline in the same round; null without a baseline. */
  rateToBaseline: number | null
  cpuToBaseline: number | null
  /** Sums, not medians: one failure in one round is a failure. */
  ok: number
  failures: Failures
}

type Figure = 'connectionsPerSecond' | 'cpuUsPerConnection'

/** Compares pair by pair, since a round's noise is common to its pair and cancels out in their ratio. */
function ratioToBaseline(
  own: readonly Measurement[],
  base: readonly Measurement[],
  figure: Figure,
): number | null {
  const ratios = own.map((measurement) => {
    const pair = base.find(({ round }) => round === measurement.round)
    const dividend = measurement[figure]
    const divisor = pair?.[figure] ?? 0
    return dividend === null || divisor === 0 ? null : dividend / divisor
  })
  return median(ratios)
}

function sumFailures(measurements: readonly Measurement[]): Failures {
  const sum: Failures = { refused: 0, reset: 0, short: 0, wrong: 0, timeout: 0, other: 0 }
  for (const { failures } of measurements) {
    for (const kind of failureKinds) sum[kind] += failures[kind]
  }
  return sum
}

function summarizeOne(own: Measurement[], base: Measurement[], first: Measurement): Summary {
  return {
    target: first.target,
    clients: first.clients,
    rounds: own.length,
    connectionsPerSecond: median(own.map((one) => one.connectionsPerSecond)),
    p50Ms: median(own.map((one) => one.p50Ms)),
    p99Ms: median(own.map((one) => one.p99Ms)),
    cpuUsPerConnection: median(own.map((one) => one.cpuUsPerConnection)),
    rateToBaseline: ratioToBaseline(own, base, 'connectionsPerSecond'),
    cpuToBaseline: ratioToBaseline(own, base, 'cpuUsPerConnection'),
    ok: own.reduce((sum, one) => sum + one.ok, 0),
    failures: sumFailures(own),
  }
}

/** One summary for each target and number of clients, in the order in which they were measured. */
export function summarize(measurements: readonly Measurement[], baseline: TargetName): Summary[] {
  const groups = new Map<string, Measurement[]>()
  for (const one of measurements) {
    const key = `${one.clients} ${one.target}`
    groups.set(key, [...(groups.get(key) ?? []), one])
  }
  return [...groups.values()].flatMap((own) => {
    const [first] = own
    if (first === undefined) return []
    const base = groups.get(`${first.clients} ${baseline}`) ?? []
    return [summarizeOne(own, base, first)]
  })
}
