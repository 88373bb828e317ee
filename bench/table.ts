import { type Failures, failureKinds } from './load.ts'
import { alignedTable, figure } from './markdown.ts'
import type { Conditions } from './sample.ts'
import { ratioOf, type Summary, summaryOf } from './summary.ts'
import type { TargetName } from './targets/target.ts'

/** A column with the medians of a figure. */
interface FigureColumn {
  readonly head: string
  readonly figure: string
  readonly decimals: number
}

/** A column with the ratio of a figure to that of another target, or of the same one under another condition. */
interface RatioColumn {
  readonly figure: string
  readonly vs: TargetName | { readonly condition: string; readonly value: string | number }
}

export type Column = FigureColumn | RatioColumn

const vsText = ({ vs }: RatioColumn) =>
  typeof vs === 'string' ? `vs ${vs}` : `vs ${vs.value} ${vs.condition}`

const headOf = (column: Column) => ('vs' in column ? vsText(column) : column.head)

/** What the summary is compared with in this column. */
function pairOf({ vs }: RatioColumn, { target, conditions }: Summary) {
  if (typeof vs === 'string') return { target: vs, conditions }
  return { target, conditions: { ...conditions, [vs.condition]: vs.value } }
}

function cell(column: Column, own: Summary, all: readonly Summary[]): string {
  if (!('vs' in column)) return figure(own.medians[column.figure] ?? null, column.decimals)
  const base = summaryOf(all, pairOf(column, own))
  return figure(ratioOf(own, base, column.figure), 2, '×')
}

function failuresText(failures: Failures): string {
  const counted = failureKinds.filter((kind) => failures[kind] > 0)
  return counted.map((kind) => `${failures[kind]} ${kind}`).join(', ') || '0'
}

const valuesOf = (conditions: Conditions) => Object.values(conditions).map(String)

/** A Markdown table: a line for each target under each set of conditions, and the failures of all rounds. */
export function tableOf(summaries: readonly Summary[], columns: readonly Column[]): string {
  const conditions = Object.keys(summaries[0]?.conditions ?? {})
  const heads = [...conditions, 'target', ...columns.map(headOf), 'failures']
  const rows = summaries.map((summary) => [
    ...valuesOf(summary.conditions),
    summary.target,
    ...columns.map((column) => cell(column, summary, summaries)),
    failuresText(summary.failures),
  ])
  return alignedTable(heads, rows, new Set([conditions.length]))
}
