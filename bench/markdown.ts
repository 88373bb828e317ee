/** A figure in a table; what is not known is a dash. */
export function figure(value: number | null, decimals: number, suffix = ''): string {
  return value === null ? '–' : `${value.toFixed(decimals)}${suffix}`
}

/**
 * A Markdown table whose columns line up, so that it reads as well in a terminal.
 *
 * @param leftAligned - numbers of the columns that read from the left, from 0; figures line up on the right
 */
export function alignedTable(
  heads: readonly string[],
  cells: readonly (readonly string[])[],
  leftAligned: ReadonlySet<number>,
): string {
  const rows = [heads, ...cells]
  const widths = heads.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]) => {
    const padded = row.map((text, column) => {
      const width = widths[column] ?? 0
      return leftAligned.has(column) ? text.padEnd(width) : text.padStart(width)
    })
    return `| ${padded.join(' | ')} |`
  }
  const rule = widths.map((width, column) =>
    leftAligned.has(column) ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  )
  return [heads, rule, ...cells].map(line).join('\n')
}
