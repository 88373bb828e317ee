import { messageOf } from '../../errors.ts'
import type { Status } from '../../status.ts'
import { currentStatus } from '../current-status.ts'
import type { Options } from '../options.ts'
import { duration } from '../table.ts'

/** A service that runs answers within this, in milliseconds; one that takes longer is said to. */
const promptMs = 1_500

/** What is known of the service: it asks anew each time, so whichever process is the service now answers. */
export class Watch {
  readonly #options: Options
  #askedMs: number | undefined
  #failure: { readonly message: string; readonly sinceMs: number } | undefined
  /** The last that it has said. */
  status: Status | undefined

  constructor(options: Options) {
    this.#options = options
  }

  /** Asks once; resolves when there is an answer or none is to be had. */
  async look(): Promise<void> {
    this.#askedMs = performance.now()
    try {
      this.status = await currentStatus(this.#options)
      this.#failure = undefined
    } catch (error) {
      const message = messageOf(error)
      // Since the first time in a row, whatever the reasons were.
      this.#failure = { message, sinceMs: this.#failure?.sinceMs ?? this.#askedMs }
    } finally {
      this.#askedMs = undefined
    }
  }

  /** Why `status` is not how the service is now. */
  get problem(): string | undefined {
    const nowMs = performance.now()
    if (this.#failure !== undefined) {
      const { message, sinceMs } = this.#failure
      const what = `${message} (for ${duration(nowMs - sinceMs)})`
      return this.status === undefined ? what : `${what}; this is how it was`
    }
    const askedMs = this.#askedMs ?? nowMs
    if (nowMs - askedMs < promptMs) return undefined
    return `No answer for ${duration(nowMs - askedMs)}; this is how it was`
  }
}
