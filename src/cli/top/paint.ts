import { visible } from '../../visible-text.ts'

/** The style of a piece of text, where colours are wanted. */
export type Style = 'plain' | 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'inverse'

export interface Span {
  readonly text: string
  readonly style: Style
}

export type Line = readonly Span[]

export const span = (text: string, style: Style = 'plain'): Span => ({ text, style })

/** Parameters of SGR (ECMA-48). */
const codes: Readonly<Record<Style, string>> = {
  plain: '',
  bold: '1',
  dim: '2',
  red: '31',
  green: '32',
  yellow: '33',
  inverse: '7',
}

/** Stands for content that does not fit. */
const more = '…'

/** Places pieces side by side as far as they fit, and marks the end if some do not. */
export function fields(pieces: readonly Line[], columns: number): Line {
  const gap = span('  ')
  let line: Line = []
  for (const [at, piece] of pieces.entries()) {
    const longer = at === 0 ? piece : [...line, gap, ...piece]
    const room = at === pieces.length - 1 ? columns : columns - gap.text.length - more.length
    if (at > 0 && cellsOf(longer) > room) return [...line, gap, span(more, 'dim')]
    line = longer
  }
  return line
}

/** Encodes a line for the terminal: at most `columns` wide, with a mark where it is cut. */
export function paint(line: Line, columns: number, isColoured: boolean): string {
  const isCut = cellsOf(line) > columns
  let left = isCut ? columns - more.length : columns
  let painted = ''
  for (const { text, style } of line) {
    let kept = ''
    for (const character of visible(text)) {
      const cells = cellsOfCharacter(character)
      if (cells > left) {
        left = 0
        break
      }
      left -= cells
      kept += character
    }
    const isBare = !isColoured || style === 'plain' || kept === ''
    painted += isBare ? kept : `\x1b[${codes[style]}m${kept}\x1b[0m`
  }
  return isCut ? `${painted}${more}` : painted
}

function cellsOf(line: Line): number {
  let cells = 0
  for (const { text } of line) {
    for (const character of visible(text)) cells += cellsOfCharacter(character)
  }
  return cells
}

const wide =
  /[\u1100-\u115F\u2E80-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6\u{1F300}-\u{1FAFF}\u{20000}-\u{3FFFD}]/u

function cellsOfCharacter(character: string): number {
  if (character < '\u0300') return 1
  if (/\p{M}/u.test(character)) return 0
  return wide.test(character) ? 2 : 1
}
