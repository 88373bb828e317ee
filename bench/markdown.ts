/** A figure in a table; an unknown one is a dash. */
export function figure(value: number | null, decimals: number, suffix = ''): string {
  return value === null ? '–' : `${value.toFixed(decimals)}${suffix}`
}

/**
 * Formats a Markdown table with aligned columns, so that it is also readable in a terminal.
 *
 * @param leftAligned - numbers of the left-aligned columns, from 0; figures are aligned on the right
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
