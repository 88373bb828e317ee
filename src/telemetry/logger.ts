import { type DestinationStream, type Logger, pino } from 'pino'
import { errorFields } from './error-fields.ts'

export type { DestinationStream as LogDestination, Logger }

/** Who writes a line: every line carries it. */
export interface LogIdentity {
  readonly service: string
  readonly role: 'primary' | 'worker' | 'bridge'
  readonly slot?: number
  readonly generation?: number
}

/**
 * A structured logger: one JSON object a line, level by name, time in ISO 8601.
 *
 * Writing is synchronous, so that the last line before an exit is not lost; the default level writes
 * nothing for each connection.
 */
export function createLogger(
  identity: LogIdentity,
  level: string,
  destination: DestinationStream,
): Logger {
  return pino(
    {
      level,
      base: { ...identity, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: errorFields },
    },
    destination,
  )
}

/** Standard output of this process as a log destination. */
export function standardOutput(): DestinationStream {
  const destination = pino.destination({ fd: 1, sync: true })
  // A full disk or a reader that went away must not end the service; the line is lost, the next one may not be.
  destination.on('error', () => {})
  return destination
}
