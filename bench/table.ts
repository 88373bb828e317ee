import { failureKinds } from './load.ts'
import { baseline, type Summary } from './summary.ts'

const heads = [
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

/** The target's name reads from the left, figures line up on the right. */
const leftAligned = new Set([1])

function figure(value: number | null, decimals: number, suffix = ''): string {
  return value === null ? '–' : `${value.toFixed(decimals)}${suffix}`
}

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

function line(row: readonly string[], widths: readonly number[]): string {
  const padded = row.map((text, column) => {
    const width = widths[column] ?? 0
    return leftAligned.has(column) ? text.padEnd(width) : text.padStart(width)
  })
  return `| ${padded.join(' | ')} |`
}

/** A Markdown table whose columns line up, so that it reads as well in a terminal. */
export function tableOf(summaries: readonly Summary[]): string {
  const rows = [heads, ...summaries.map(cells)]
  const widths = heads.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const rule = widths.map((width, column) =>
    leftAligned.has(column) ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  )
  return [heads, rule, ...summaries.map(cells)].map((row) => line(row, widths)).join('\n')
}
