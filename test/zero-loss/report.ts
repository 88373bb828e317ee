import { table } from '../../src/cli/table.ts'
import { type Figures, figuresOf, type WayFigures } from './figures.ts'
import type { Ledger } from './ledger.ts'
import type { WayName } from './load/way.ts'

const accountOf: Readonly<Record<WayName | 'crowd', (figures: Figures) => WayFigures>> = {
  tcp: ({ ways }) => ways.tcp,
  tls: ({ ways }) => ways.tls,
  unix: ({ ways }) => ways.unix,
  crowd: ({ crowd }) => crowd,
}

const others = ['refused', 'p99 wait', 'longest wait', 'longest gap']

/** What the clients saw, by event; a column for each way that somebody came. */
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
