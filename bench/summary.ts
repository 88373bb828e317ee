import { type Failures, failureKinds, noFailures } from './load.ts'
import { median } from './median.ts'
import type { Conditions, Figures, Sample } from './sample.ts'
import type { TargetName } from './targets/target.ts'

/** All rounds of one target under the same conditions. */
export interface Summary {
  readonly target: TargetName
  readonly conditions: Conditions
  readonly rounds: number
  /** Medians over the rounds. */
  readonly medians: Figures
  /** A sum, not a median: one failure in one round is a failure. */
  readonly failures: Failures
  readonly samples: readonly Sample[]
}

const keyOf = ({ target, conditions }: Pick<Sample, 'target' | 'conditions'>) =>
  JSON.stringify([target, conditions])

function sumFailures(samples: readonly Sample[]): Failures {
  const sum = { ...noFailures }
  for (const { failures } of samples) {
    for (const kind of failureKinds) sum[kind] += failures[kind]
  }
  return sum
}

function summarizeOne(
  samples: readonly Sample[],
  { target, conditions, figures }: Sample,
): Summary {
  const names = Object.keys(figures)
  const medians = names.map((name) => [
    name,
    median(samples.map((one) => one.figures[name] ?? null)),
  ])
  return {
    target,
    conditions,
    rounds: samples.length,
    medians: Object.fromEntries(medians),
    failures: sumFailures(samples),
    samples,
  }
}

/** One summary for each target and each set of conditions, in the order in which they were first measured. */
export function summarize(samples: readonly Sample[]): Summary[] {
  const groups = new Map<string, Sample[]>()
  for (const sample of samples) {
    const key = keyOf(sample)
    groups.set(key, [...(groups.get(key) ?? []), sample])
  }
  return [...groups.values()].flatMap((group) => {
    const [first] = group
    return first === undefined ? [] : [summarizeOne(group, first)]
  })
}

/** The summary of these conditions and this target; undefined when it was not measured. */
export function summaryOf(
  summaries: readonly Summary[],
  wanted: Pick<Summary, 'target' | 'conditions'>,
): Summary | undefined {
  return summaries.find((summary) => keyOf(summary) === keyOf(wanted))
}

/**
 * How one summary's figure compares with another's: the median of the ratios within each round, since a round's noise
 * is common to its pair and cancels out in their ratio. Null where no round has both figures.
 */
export function ratioOf(own: Summary, base: Summary | undefined, figure: string): number | null {
  const ratios = own.samples.map(({ round, figures }) => {
    const pair = base?.samples.find((sample) => sample.round === round)
    const dividend = figures[figure] ?? null
    const divisor = pair?.figures[figure] ?? 0
    return dividend === null || divisor === 0 ? null : dividend / divisor
  })
  return median(ratios)
}
