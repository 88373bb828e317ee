import { messageOf } from '../errors.ts'
import type { ReloadResult } from '../status.ts'
import type { Logger } from '../telemetry/logger.ts'

/**
 * Runs reloads one at a time. Requests that arrive while one runs become one more after it, however many
 * they are: what they ask for was not on disk yet when the first one read it.
 */
export class Reloader<Request extends object> {
  readonly #perform: (request: Partial<Request>) => Promise<void>
  readonly #log: Logger
  #running: Promise<ReloadResult> | undefined
  #next: { request: Partial<Request>; readonly result: Promise<ReloadResult> } | undefined
  #last: ReloadResult | null = null

  /** @param perform - does one reload; its rejection is the reason that the reload failed for */
  constructor(perform: (request: Partial<Request>) => Promise<void>, log: Logger) {
    this.#perform = perform
    this.#log = log
  }

  /** How the last reload ended; null before the first. */
  get last(): ReloadResult | null {
    return this.#last
  }

  /** A reload that another process began has come to its good end in this one. */
  conclude(beganAtMs: number): void {
    this.#last = resultOf(Date.now() - beganAtMs, null)
  }

  /**
   * Asks for a reload; resolves with the outcome of the one that serves this request, and never rejects.
   * Of requests that become one, the last to name something has its way.
   */
  request(request: Partial<Request>, cause: string): Promise<ReloadResult> {
    // Looked at first: between two reloads, the next one is due and none is running.
    if (this.#next !== undefined) {
      this.#next.request = { ...this.#next.request, ...request }
      return this.#next.result
    }
    if (this.#running === undefined) return this.#start(request, cause)
    const result = this.#running.then(() => {
      const asked = this.#next?.request
      this.#next = undefined
      return this.#start(asked ?? request, cause)
    })
    this.#next = { request, result }
    return result
  }

  #start(request: Partial<Request>, cause: string): Promise<ReloadResult> {
    this.#running = this.#run(request, cause).finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  async #run(request: Partial<Request>, cause: string): Promise<ReloadResult> {
    const startedMs = performance.now()
    this.#log.info({ cause }, 'Reloading')
    let reason: string | null = null
    try {
      await this.#perform(request)
    } catch (error) {
      reason = messageOf(error)
    }
    this.#last = resultOf(performance.now() - startedMs, reason)
    if (reason === null) this.#log.info(this.#last, 'Reloaded')
    else this.#log.error(this.#last, 'Reload failed; the old generation goes on serving')
    return this.#last
  }
}

function resultOf(durationMs: number, reason: string | null): ReloadResult {
  return {
    at: new Date().toISOString(),
    outcome: reason === null ? 'done' : 'failed',
    reason,
    durationMs: Math.round(durationMs),
  }
}
