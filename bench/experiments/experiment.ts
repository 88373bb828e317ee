import type { Bench } from '../bench.ts'
import type { Options } from '../options.ts'
import type { Sample } from '../sample.ts'
import type { Column } from '../table.ts'

export const experimentNames = [
  'throughput',
  'fairness',
  'waiting',
  'reload',
  'width',
  'tls',
] as const

export type ExperimentName = (typeof experimentNames)[number]

/** One question put to the targets. */
export interface Experiment {
  readonly name: ExperimentName
  /** A line for people: what its table shows. */
  readonly title: string
  /** The table's columns. */
  columns(options: Options): Column[]
  /** Starts targets, measures them in rounds (A B C D, A B C D), and ends them. */
  run(bench: Bench): Promise<Sample[]>
}
