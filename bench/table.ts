import { failureKinds } from './load.ts'
import { alignedTable, figure } from './markdown.ts'
import type { Summary } from './summary.ts'
import type { TargetName } from './targets/target.ts'

const headsFor = (baseline: TargetName) => [
  'clients',
  'target',
  'connections/s',
  `vs ${baseline}`,
  'p50 ms',
  'p99 ms',
  'CPU µs/connection',
  `vs ${baseline}`,
  'failures',
]

/** The target's name is left-aligned; figures are aligned on the right. */
const leftAligned = new Set([1])

function failuresText({ failures }: Summary): string {
  const counted = failureKinds.filter((kind) => failures[kind] > 0)
  return counted.map((kind) => `${failures[kind]} ${kind}`).join(', ') || '0'
}

function cells(summary: Summary): string[] {
  return [
    String(summary.clients),
    summary.target,
    figure(summary.connectionsPerSecond, 0),
    figure(summary.rateToBaseline, 2, '×'),
    figure(summary.p50Ms, 2),
    figure(summary.p99Ms, 2),
    figure(summary.cpuUsPerConnection, 0),
    figure(summary.cpuToBaseline, 2, '×'),
    failuresText(summary),
  ]
}

/** A Markdown table of all targets and loads. */
export function tableOf(summaries: readonly Summary[], baseline: TargetName): string {
  const heads = headsFor(baseline)
  return alignedTable(heads, summaries.map(cells), leftAligned)
}
