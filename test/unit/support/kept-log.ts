import { createLogger, type Logger } from '../../../src/telemetry/logger.ts'

/** One line of a log. */
export type LogLine = Readonly<Record<string, unknown>>

/** A real logger whose lines are kept instead of written. */
export function keptLog(level = 'trace'): { readonly log: Logger; readonly lines: LogLine[] } {
  const lines: LogLine[] = []
  const write = (line: string) => void lines.push(JSON.parse(line) as LogLine)
  return { log: createLogger({ service: 'test', role: 'primary' }, level, { write }), lines }
}
