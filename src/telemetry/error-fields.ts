import { cutText, messageOf } from '../errors.ts'
import { stdSerializers } from './pino.ts'

/** The length at which a field of an error is cut, in characters: one error must not fill the log. */
const maxFieldLength = 8_192

/**
 * The log fields of a thrown value: type, message, stack and the further properties of an error, each bounded.
 * Anything can be thrown, so nothing is assumed about the value: properties that cannot be read are left out.
 */
export function errorFields(error: unknown): object {
  try {
    const fields: unknown = stdSerializers.err(error as Error)
    if (Object.is(fields, error))
      return { type: error === null ? 'null' : typeof error, message: messageOf(error) }
    return Object.fromEntries(
      Object.entries(fields as object).map(([name, value]) => [name, bounded(value)]),
    )
  } catch {
    return { type: typeof error, message: messageOf(error) }
  }
}

function bounded(value: unknown): unknown {
  if (typeof value === 'string') return cutText(value, maxFieldLength)
  if (typeof value !== 'object' || value === null) return value
  const text = JSON.stringify(value) as string | undefined
  return text === undefined || text.length <= maxFieldLength ? value : cutText(text, maxFieldLength)
}
