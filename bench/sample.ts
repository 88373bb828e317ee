import type { Failures } from './load.ts'
import type { TargetName } from './targets/target.ts'

/** What a sample was taken under, by name; samples under the same conditions are compared. */
export type Conditions = Readonly<Record<string, string | number>>

/** What was measured, by name; null where there was nothing to measure. */
export type Figures = Readonly<Record<string, number | null>>

/** One measurement of one target. */
export interface Sample {
  readonly target: TargetName
  readonly conditions: Conditions
  /** From 1. The samples of one round are taken directly one after the other and are compared as pairs. */
  readonly round: number
  readonly figures: Figures
  readonly failures: Failures
}
