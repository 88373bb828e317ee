import { median } from '../median.ts'
import { type Operation, operations, type Round } from './rounds.ts'
import { type TargetName, targetNames } from './target.ts'

/** The lock that the others are measured against. */
const ours: TargetName = 'helloserver'

/** One lock in one operation, over all rounds. */
export interface Summary {
  readonly operation: Operation
  readonly target: TargetName
  readonly samples: number
  readonly p50Ms: number | null
  readonly p99Ms: number | null
  /** Ours by the faster of the others: the median of the ratios, each taken within one round; null for the others. */
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

/** Round by round, since what else the machine did in a round fell on all of them. */
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

/** The smallest value that so large a share of them does not exceed; null for none. */
function percentile(values: readonly number[], share: number): number | null {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null
}
