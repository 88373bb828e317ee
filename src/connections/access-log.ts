import type { Progress } from '../ipc/progress.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { PendingConnection } from './pending-connection.ts'
import type { WorkerSlot } from '../pool/worker-slot.ts'

/**
 * Logs a line for each connection when it has ended, however it ended.
 *
 * The primary writes it, since it alone knows every connection and its single end: a worker may die of a
 * connection, or never see it.
 */
export class AccessLog {
  readonly #log: Logger
  /** Whether lines are written. */
  isOn = false

  constructor(log: Logger) {
    this.#log = log
  }

  /**
   * @param slot - the worker that had the connection in hand, if any
   * @param report - that worker's report on its end; undefined when the worker died
   */
  write(connection: PendingConnection, slot?: WorkerSlot, report?: Progress): void {
    if (!this.isOn) return
    const { id, peer = 'unknown', state: outcome, acceptedAtMs, offeredAtMs } = connection
    const nowMs = performance.now()
    const waitedUntilMs = slot === undefined ? nowMs : offeredAtMs
    this.#log.info(
      {
        kind: 'access',
        connection: id,
        peer,
        outcome,
        reason: outcome === 'failed' ? reasonOf(slot, report) : null,
        worker: slot?.number ?? null,
        bytesIn: countOf(report?.bytesIn),
        bytesOut: countOf(report?.bytesOut),
        waitMs: rounded(waitedUntilMs - acceptedAtMs),
        handlingMs: slot === undefined ? null : rounded(nowMs - offeredAtMs),
      },
      'Connection ended',
    )
  }
}

function reasonOf(slot: WorkerSlot | undefined, report: Progress | undefined): string {
  if (report !== undefined) return report.reason
  return slot === undefined ? 'dropped' : 'worker-died'
}

/** A worker's count; null when it is invalid, since an app can write to the pipe too. */
function countOf(bytes: number | undefined): number | null {
  return bytes !== undefined && Number.isSafeInteger(bytes) && bytes >= 0 ? bytes : null
}

/** Rounds to thousandths of a millisecond, which is as fine as the clock. */
function rounded(ms: number): number {
  return Math.round(ms * 1_000) / 1_000
}
