import type { DestinationStream, Logger } from 'pino'
import { errorFields } from './error-fields.ts'
import { pino } from './pino.ts'

export type { DestinationStream as LogDestination, Logger }

/** The writer of a line; every line names it. */
export interface LogIdentity {
  readonly service: string
  readonly role: 'primary' | 'worker' | 'bridge'
  readonly slot?: number
  readonly generation?: number
}

/**
 * Creates a structured logger: one JSON object per line, level by name, time in ISO 8601.
 *
 * Writing is synchronous, so that the last line before an exit is not lost; at the default level, nothing is logged
 * per connection.
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
  // A full disk or a reader that went away must not end the service; this line is lost, the next may not be.
  destination.on('error', () => {})
  return destination
}
