import { table } from '../../src/cli/table.ts'
import { type Figures, figuresOf } from './figures.ts'
import type { Ledger } from './ledger.ts'
import { wayNames } from './load/way.ts'

const headings = [
  'event',
  'times',
  ...wayNames.flatMap((name) => [name, 'lost']),
  'refused',
  'p99 wait',
  'longest wait',
  'longest gap',
]

/** What the clients saw, by event. */
export function report({ occurrences, between }: Ledger): string {
  return table(headings, figuresOf([...occurrences, between]).map(row)).join('\n')
}

function row(figures: Figures): string[] {
  const { name, times, ways, refused } = figures
  const { p99WaitMs, longestWaitMs, longestGapMs } = figures
  const ms = (value: number) => (value === 0 ? '-' : `${Math.round(value)} ms`)
  const accounts = wayNames.flatMap((way) => [ways[way].begun, ways[way].lost])
  const counts = [times, ...accounts, refused].map(String)
  return [name, ...counts, ms(p99WaitMs), ms(longestWaitMs), ms(longestGapMs)]
}
