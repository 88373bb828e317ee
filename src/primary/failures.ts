import type { Logger } from '../telemetry/logger.ts'

/** How often connections that fail for the same reason are summed up, in milliseconds. */
const everyMs = 60_000

/** What has failed for one reason since that was last said. */
interface Sum {
  count: number
  /** One of the clients, as an example. */
  peer: string
}

/**
 * Says in the log why connections fail, however many do: the first one of a reason at once, all that follow in one
 * line a minute. A connection costs no more than a counter.
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
   * @param reason - one of a few: each has a line of its own
   * @param peer - asked for the client, once for each line
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

  /** After a minute without one, the next is a first one again. */
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
