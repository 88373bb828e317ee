import { prettyFactory } from 'pino-pretty'

/** Every line of a service has them, and a person who looks at one knows. */
const knownFields = 'service,pid'

/**
 * Makes log lines readable for people; what is no line of ours stays as it is.
 *
 * @param hasColours - whether the terminal shows colours, and whoever sits there wants them
 */
export function prettyLine(hasColours: boolean): (line: string) => string {
  return prettyFactory({
    colorize: hasColours,
    ignore: knownFields,
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
  }) as (line: string) => string
}
