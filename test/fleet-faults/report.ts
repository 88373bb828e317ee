import { table } from '../../src/cli/table.ts'
import type { Result, Told } from './suite.ts'

const headings = [
  'fault',
  'times',
  'take-over p50',
  'longest',
  'longest gap',
  'loss known ahead, least',
]

/** What the faults came to. */
export function report({ told, writes }: Result): string {
  const names = [...new Set(told.map(({ fault }) => fault.name))]
  const rows = names.map((name) =>
    row(
      name,
      told.filter(({ fault }) => fault.name === name),
    ),
  )
  const { accepted, refused } = writes
  return `${table(headings, rows).join('\n')}\nWrites: ${accepted} accepted, ${refused} refused`
}

function row(name: string, told: readonly Told[]): string[] {
  const figures = (pick: (one: Told) => number | undefined) =>
    told
      .map(pick)
      .filter((one) => one !== undefined)
      .toSorted((one, other) => one - other)
  const takeOvers = figures(({ outcome }) => outcome.takeOverMs)
  return [
    name,
    String(told.length),
    ms(takeOvers[Math.floor(takeOvers.length / 2)]),
    ms(takeOvers.at(-1)),
    ms(figures(({ outcome }) => outcome.gapMs).at(-1)),
    ms(figures(({ outcome }) => outcome.aheadMs)[0]),
  ]
}

function ms(value: number | undefined): string {
  return value === undefined ? '-' : `${value.toFixed(Math.abs(value) < 10 ? 1 : 0)} ms`
}

/** What went wrong, each with its story. */
export function problemsOf({ violations, broken, told }: Result): string[] {
  const during = (atMs: number) =>
    told.find(({ fromMs, toMs }) => fromMs <= atMs && atMs <= toMs)?.fault.name ?? 'no fault'
  const wrongs = violations.map(
    ({ wrong, atMs, story }) => `${wrong}, during ${during(atMs)}: ${story}`,
  )
  return [...wrongs, ...broken]
}
