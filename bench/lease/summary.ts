import { median } from '../median.ts'
import { type Operation, operations, type Round } from './rounds.ts'
import { type TargetName, targetNames } from './target.ts'

/** The lock with which the others are compared. */
const ours: TargetName = 'helloserver'

/** One lock in one operation, over all rounds. */
export interface Summary {
  readonly operation: Operation
  readonly target: TargetName
  readonly samples: number
  readonly p50Ms: number | null
  readonly p99Ms: number | null
  /**
   * Our result divided by that of the faster other lock: the median of the ratios within each round; null for the
   * others.
   */
  readonly p50ToFaster: number | null
  readonly p99ToFaster: number | null
}

export function summarize(rounds: readonly Round[]): Summary[] {
  return operations.flatMap((operation) =>
    targetNames.map((target) => {
      const own = rounds.filter((round) => round.target === target)
      const samplesMs = own.flatMap((round) => round.samplesMs[operation])
      const toFaster = (share: number) =>
        target === ours ? ratioToFaster(rounds, operation, share) : null
      return {
        operation,
        target,
        samples: samplesMs.length,
        p50Ms: percentile(samplesMs, 0.5),
        p99Ms: percentile(samplesMs, 0.99),
        p50ToFaster: toFaster(0.5),
        p99ToFaster: toFaster(0.99),
      }
    }),
  )
}

/** Compares round by round, since other activity on the machine during a round affected all targets. */
function ratioToFaster(rounds: readonly Round[], operation: Operation, share: number) {
  const of = (round: Round) => percentile(round.samplesMs[operation], share) ?? Number.NaN
  const ratios = rounds
    .filter(({ target }) => target === ours)
    .map((own) => {
      const others = rounds.filter(({ target, round }) => target !== ours && round === own.round)
      return of(own) / Math.min(...others.map(of))
    })
  return median(ratios)
}

/** The smallest value that is not exceeded by this share of the values; null for no values. */
function percentile(values: readonly number[], share: number): number | null {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null
}
