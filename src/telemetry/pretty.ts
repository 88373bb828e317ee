import { prettyFactory } from 'pino-pretty'
import { visible, withVisibleTexts } from '../visible.ts'

/** Every line of a service has them, and a person who looks at one knows. */
const knownFields = 'service,pid'

/**
 * Makes log lines readable for people; what is no line of ours stays as it is.
 *
 * @param hasColours - whether the terminal shows colours, and whoever sits there wants them
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
    // What the runtime has said, perhaps.
    return undefined
  }
}

/** What clients, apps and other hosts have said is in all of them. Only the stack of an error may have several lines. */
function shownFields(fields: object): object {
  const { error, ...others } = fields as { error?: { readonly stack?: unknown } | null }
  const shown = withVisibleTexts(others) as object
  if (typeof error?.stack !== 'string')
    return { ...shown, ...(error !== undefined && { error: withVisibleTexts(error) }) }
  const stack = error.stack.split('\n').map(visible).join('\n')
  return { ...shown, error: { ...(withVisibleTexts(error) as object), stack } }
}
