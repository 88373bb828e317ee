import { getSystemErrorName } from 'node:util'
import type { Logger } from '../telemetry/logger.ts'
import { isUserLimited } from './kernel-queue.ts'

/** How often a failure that goes on is logged, in milliseconds. */
const tellEveryMs = 60_000

const userLimit =
  'the user has more descriptors on their way between processes than may be open; raise "ulimit -n"'

/** Logs why no connection can be sent to workers: that is tried again many times a second. */
export class SendFaults {
  readonly #log: Logger
  #last = { errno: 0, atMs: 0 }

  constructor(log: Logger) {
    this.#log = log
  }

  /** @param errno - negative */
  tell(errno: number): void {
    const nowMs = performance.now()
    if (errno === this.#last.errno && nowMs < this.#last.atMs + tellEveryMs) return
    this.#last = { errno, atMs: nowMs }
    const reason = isUserLimited(errno) ? userLimit : getSystemErrorName(errno)
    this.#log.error({ reason }, `Cannot hand off connections: ${reason}; they wait, trying again`)
  }
}
