import { prettyFactory } from 'pino-pretty'
import { visible, withVisibleTexts } from '../visible-text.ts'

/** Every line of a service has these fields, and they are obvious to the reader. */
const knownFields = 'service,pid'

/**
 * Makes log lines readable for people; a line in any other format stays as it is.
 *
 * @param hasColours - whether the terminal supports colours and its user wants them
 */
export function prettyLine(hasColours: boolean): (line: string) => string {
  const pretty = prettyFactory({
    colorize: hasColours,
    ignore: knownFields,
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
  }) as (line: object) => string
  return (line) => {
    const fields = fieldsIn(line.trimEnd())
    return fields === undefined ? `${visible(line.trimEnd())}\n` : pretty(shownFields(fields))
  }
}

function fieldsIn(line: string): object | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    // Perhaps output of the runtime.
    return undefined
  }
}

/**
 * Every field may contain text from clients, apps and other hosts. Only the stack of an error may span several lines.
 */
function shownFields(fields: object): object {
  const { error, ...others } = fields as { error?: { readonly stack?: unknown } | null }
  const shown = withVisibleTexts(others) as object
  if (typeof error?.stack !== 'string')
    return { ...shown, ...(error !== undefined && { error: withVisibleTexts(error) }) }
  const stack = error.stack.split('\n').map(visible).join('\n')
  return { ...shown, error: { ...(withVisibleTexts(error) as object), stack } }
}
