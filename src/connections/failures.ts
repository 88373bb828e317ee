import type { Logger } from '../telemetry/logger.ts'

/** How often failures for the same reason are summed up, in milliseconds. */
const everyMs = 60_000

/** The failures for one reason since they were last logged. */
interface Sum {
  count: number
  /** One of the clients, as an example. */
  peer: string
}

/**
 * Logs why connections fail, however many do: the first failure for each reason at once, all later ones in one
 * line a minute. A failure costs no more than incrementing a counter.
 */
export class Failures {
  readonly #log: Logger
  readonly #sums = new Map<string, Sum>()
  readonly #everyMs: number

  constructor(log: Logger, intervalMs = everyMs) {
    this.#log = log
    this.#everyMs = intervalMs
  }

  /**
   * @param reason - one of a few; each reason has its own line
   * @param peer - returns the client; called once for each line that is logged
   */
  note(reason: string, peer: () => string): void {
    const sum = this.#sums.get(reason)
    if (sum === undefined) {
      this.#sums.set(reason, { count: 0, peer: '' })
      this.#log.warn(
        { kind: 'failures', reason, count: 1, peer: peer() },
        `A connection failed: ${reason}; others like it are summed up once a minute`,
      )
      setTimeout(() => this.#sumUp(reason), this.#everyMs).unref()
      return
    }
    if (sum.count === 0) sum.peer = peer()
    sum.count += 1
  }

  /** After a minute without a failure, the next one counts as the first again. */
  #sumUp(reason: string): void {
    const { count, peer } = this.#sums.get(reason) ?? { count: 0, peer: '' }
    if (count === 0) {
      this.#sums.delete(reason)
      return
    }
    this.#log.warn(
      { kind: 'failures', reason, count, peer },
      `${count} connection${count === 1 ? '' : 's'} failed in the last minute: ${reason} (one was from ${peer})`,
    )
    this.#sums.set(reason, { count: 0, peer: '' })
    setTimeout(() => this.#sumUp(reason), this.#everyMs).unref()
  }
}
