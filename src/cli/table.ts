import { visible } from '../visible-text.ts'

/** Aligns rows under their headings: columns of numbers to the right, other columns to the left. */
export function table(
  headings: readonly string[],
  texts: readonly (readonly string[])[],
): string[] {
  // Made visible before measuring, because escapes take more room.
  const rows = texts.map((row) => row.map(visible))
  const columns = headings.map((heading, at) => {
    const cells = rows.map((row) => row[at] ?? '')
    const width = Math.max(heading.length, ...cells.map((cell) => cell.length))
    const isNumeric = cells.length > 0 && cells.every((cell) => /^[\d.]*( \w+)?$|^-$/.test(cell))
    return { width, isNumeric }
  })
  const line = (cells: readonly string[]) =>
    columns
      .map(({ width, isNumeric }, at) => {
        const cell = cells[at] ?? ''
        return isNumeric ? cell.padStart(width) : cell.padEnd(width)
      })
      .join('  ')
      .trimEnd()
  return [headings, ...rows].map(line)
}

/** Formats a duration for people: `850 ms`, `12 s`, `3 min`, `5 h`, `2 d`. */
export function duration(ms: number): string {
  const units: readonly [string, number][] = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['min', 60_000],
    ['s', 1_000],
  ]
  const unit = units.find(([, size]) => ms >= size)
  return unit === undefined ? `${Math.round(ms)} ms` : `${Math.floor(ms / unit[1])} ${unit[0]}`
}
