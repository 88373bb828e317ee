import type { Logger } from '../telemetry/logger.ts'
import type { HandOffWorker } from './hand-off.ts'
import { type PendingConnection, peerOf } from './pending-connection.ts'

/** Logs a connection that was lost with its worker. */
export function tellLoss(
  log: Logger,
  connection: PendingConnection,
  worker: HandOffWorker,
  cause: string,
): void {
  const { id, acceptedAtMs } = connection
  log.warn(
    {
      connection: id,
      peer: peerOf(connection),
      ageMs: Math.round(performance.now() - acceptedAtMs),
      worker: worker.number,
      cause,
    },
    'Connection lost with its worker',
  )
}
