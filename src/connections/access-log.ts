import type { Config } from '../config/load.ts'
import type { Progress } from '../ipc/progress.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { WorkerRef } from './hand-off.ts'
import type { PendingConnection } from './pending-connection.ts'

/**
 * Logs a line for each connection when it has ended, however it ended.
 *
 * The primary writes it, since it alone knows every connection and its single end: a worker may die of a
 * connection, or never see it.
 */
export class AccessLog {
  readonly #log: Logger
  #isOn = false

  constructor(log: Logger) {
    this.#log = log
  }

  /** Applies `log.access`. */
  apply({ log }: Pick<Config, 'log'>): void {
    this.#isOn = log.access
  }

  /**
   * @param worker - the worker that handled the connection, if any
   * @param report - that worker's report on its end; undefined when the worker died
   * @param refusal - why it failed before a worker had it
   */
  write(
    connection: PendingConnection,
    worker?: WorkerRef,
    report?: Progress,
    refusal?: string,
  ): void {
    if (!this.#isOn) return
    const {
      id,
      peer = 'unknown',
      state: outcome,
      acceptedAtMs,
      offeredAtMs,
      shedReason,
    } = connection
    const nowMs = connection.endedAtMs > 0 ? connection.endedAtMs : performance.now()
    const waitedUntilMs = worker === undefined ? nowMs : offeredAtMs
    this.#log.info(
      {
        kind: 'access',
        connection: id,
        peer,
        outcome,
        reason: outcome === 'failed' ? (refusal ?? reasonOf(worker, report)) : (shedReason ?? null),
        worker: worker?.number ?? null,
        bytesIn: countOf(report?.bytesIn),
        bytesOut: countOf(report?.bytesOut),
        waitMs: rounded(waitedUntilMs - acceptedAtMs),
        handlingMs: worker === undefined ? null : rounded(nowMs - offeredAtMs),
      },
      'Connection ended',
    )
  }
}

function reasonOf(worker: WorkerRef | undefined, report: Progress | undefined): string {
  if (report !== undefined) return report.reason
  return worker === undefined ? 'dropped' : 'worker-died'
}

/** A worker's count; null when it is invalid, since an app can write to the pipe too. */
function countOf(bytes: number | undefined): number | null {
  return bytes !== undefined && Number.isSafeInteger(bytes) && bytes >= 0 ? bytes : null
}

/** Rounds to thousandths of a millisecond, which is as fine as the clock. */
function rounded(ms: number): number {
  return Math.round(ms * 1_000) / 1_000
}
