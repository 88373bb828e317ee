import { inspect } from 'node:util'

/** Any value, in a few words of one line, for a message that refuses it. */
export function shown(value: unknown): string {
  return inspect(value, { depth: 0, maxStringLength: 40, breakLength: Infinity, compact: true })
}
