import { nameKey } from './name.ts'
import type { Records } from './records.ts'

/**
 * Answers a query with the lines of the record, or with a comment that says why there is none.
 *
 * @param name - as returned by `nameIn`
 */
export function answerTo(name: string, records: Records): string {
  if (name === '') {
    return reply(['% Error: The query is empty', '% Send one name, then CRLF: example.test'])
  }
  return reply(records.get(nameKey(name)) ?? [`% No match for "${name}"`])
}

/** The answer to a query that exceeds the length limit. */
export function tooLongAnswer(limitBytes: number): string {
  return reply([`% Error: The query is too long; the limit is ${limitBytes} bytes`])
}

/** RFC 3912 ends lines with CRLF in both directions. */
function reply(lines: readonly string[]): string {
  return lines.map((line) => `${line}\r\n`).join('')
}
