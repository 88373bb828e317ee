import { messageOf } from '../../errors.ts'
import type { Status } from '../../status.ts'
import { currentStatus } from '../current-status.ts'
import type { Options } from '../options.ts'
import { duration } from '../table.ts'

/** How long a running service may take to answer, in milliseconds; a longer wait is reported. */
const promptMs = 1_500

/** Tracks the state of the service. It asks anew each time, so the process that currently is the service answers. */
export class Watch {
  readonly #options: Options
  #askedMs: number | undefined
  #failure: { readonly message: string; readonly sinceMs: number } | undefined
  /** The last status received. */
  status: Status | undefined

  constructor(options: Options) {
    this.#options = options
  }

  /** Asks once; resolves with the answer, or when there is none. */
  async refresh(): Promise<void> {
    this.#askedMs = performance.now()
    try {
      this.status = await currentStatus(this.#options)
      this.#failure = undefined
    } catch (error) {
      const message = messageOf(error)
      // Since the first of consecutive failures, whatever their reasons.
      this.#failure = { message, sinceMs: this.#failure?.sinceMs ?? this.#askedMs }
    } finally {
      this.#askedMs = undefined
    }
  }

  /** Why `status` is not current. */
  get problem(): string | undefined {
    const nowMs = performance.now()
    if (this.#failure !== undefined) {
      const { message, sinceMs } = this.#failure
      const what = `${message} (for ${duration(nowMs - sinceMs)})`
      return this.status === undefined ? what : `${what}; this is the last known state`
    }
    const askedMs = this.#askedMs ?? nowMs
    if (nowMs - askedMs < promptMs) return undefined
    return `No answer for ${duration(nowMs - askedMs)}; this is the last known state`
  }
}
