/** A Markdown table whose columns line up, the first to the left, figures to the right. */
export function markdownTable(heads: readonly string[], rows: readonly string[][]): string {
  const all = [[...heads], ...rows]
  const widths = heads.map((_, at) => Math.max(...all.map((row) => row[at]?.length ?? 0)))
  const line = (row: readonly string[]) => {
    const cells = widths.map((width, at) => {
      const cell = row[at] ?? ''
      return at === 0 ? cell.padEnd(width) : cell.padStart(width)
    })
    return `| ${cells.join(' | ')} |`
  }
  const rule = widths.map((width, at) =>
    at === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  )
  return [line(heads), line(rule), ...rows.map(line)].join('\n')
}
