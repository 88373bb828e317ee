import type { Experiment, ExperimentName } from './experiment.ts'
import { fairness } from './fairness.ts'
import { reload } from './reload.ts'
import { throughput } from './throughput.ts'
import { tls } from './tls.ts'
import { waiting } from './waiting.ts'
import { width } from './width.ts'

const all: readonly Experiment[] = [throughput, fairness, waiting, reload, width, tls]

/** The experiments with these names, in an order of their own. */
export function experimentsNamed(names: readonly ExperimentName[]): Experiment[] {
  return all.filter(({ name }) => names.includes(name))
}
