import { table } from '../../src/cli/table.ts'
import { type Figures, figuresOf, type WayFigures } from './figures.ts'
import type { Ledger } from './ledger.ts'
import { wayNames } from './load/way.ts'

const accountOf = {
  ...Object.fromEntries(wayNames.map((way) => [way, ({ ways }: Figures) => ways[way]])),
  crowd: ({ crowd }: Figures) => crowd,
}

const others = ['refused', 'p99 wait', 'longest wait', 'longest gap']

/** What the clients saw, by event; a column for each way by which somebody came. */
export function report({ occurrences, between }: Ledger): string {
  const all = figuresOf([...occurrences, between])
  const accounts = Object.entries(accountOf).filter(([, of]) =>
    all.some((figures) => of(figures).begun > 0),
  )
  const headings = accounts.flatMap(([name]) => [name, 'lost'])
  const rows = all.map((figures) =>
    row(
      figures,
      accounts.map(([, of]) => of(figures)),
    ),
  )
  return table(['event', 'times', ...headings, ...others], rows).join('\n')
}

function row(figures: Figures, accounts: readonly WayFigures[]): string[] {
  const { name, times, refused } = figures
  const { p99WaitMs, longestWaitMs, longestGapMs } = figures
  const ms = (value: number) => (value === 0 ? '-' : `${Math.round(value)} ms`)
  const counts = [times, ...accounts.flatMap(({ begun, lost }) => [begun, lost]), refused]
  return [name, ...counts.map(String), ms(p99WaitMs), ms(longestWaitMs), ms(longestGapMs)]
}
