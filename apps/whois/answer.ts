import { nameKey } from './name.ts'
import type { Records } from './records.ts'

/**
 * What a query is answered with: the record's lines, or a comment that says why there are none.
 *
 * @param name - as `nameIn` gives it
 */
export function answerTo(name: string, records: Records): string {
  if (name === '') {
    return reply(['% Error: The query is empty', '% Send one name, then CRLF: example.test'])
  }
  return reply(records.get(nameKey(name)) ?? [`% No match for "${name}"`])
}

/** What a query that does not end in time is answered with. */
export function tooLongAnswer(limitBytes: number): string {
  return reply([`% Error: The query is too long; the limit is ${limitBytes} bytes`])
}

/** RFC 3912 ends lines with CRLF in both directions. */
function reply(lines: readonly string[]): string {
  return lines.map((line) => `${line}\r\n`).join('')
}
