import type { Progress } from '../ipc/progress.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { PendingConnection } from './pending-connection.ts'
import type { WorkerSlot } from './worker-slot.ts'

/**
 * A line in the log for each connection, when it has ended, however it did.
 *
 * The primary writes it, which alone knows of every connection and its one end: a worker can die of it, or
 * never see it.
 */
export class AccessLog {
  readonly #log: Logger
  /** Whether lines are written. */
  isOn = false

  constructor(log: Logger) {
    this.#log = log
  }

  /**
   * @param slot - the worker that had it in hand, if one did
   * @param report - what that worker said of its end; undefined when it died
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

/** A worker's count, or null: an app can write to the pipe too. */
function countOf(bytes: number | undefined): number | null {
  return bytes !== undefined && Number.isSafeInteger(bytes) && bytes >= 0 ? bytes : null
}

/** Thousandths of a millisecond are as fine as the clock. */
function rounded(ms: number): number {
  return Math.round(ms * 1_000) / 1_000
}
