import { deferred } from '../deferred.ts'
import { messageOf } from '../errors.ts'
import type { ReloadResult } from '../status.ts'
import type { Logger } from '../telemetry/logger.ts'

/**
 * The steps of a reload, in their order: read and check the configuration, bind a changed address, bring up
 * one new worker, bring up the others.
 */
export type ReloadStep = 'configuration' | 'address' | 'canary' | 'workers'

/** Does one reload; says which step it enters. Its rejection is the reason that the reload failed for. */
export type PerformReload<Request> = (
  request: Request | undefined,
  enter: (step: ReloadStep) => void,
) => Promise<void>

/** A signal that comes so soon after another one belongs to the same storm; in milliseconds. */
const quietMs = 500
/** A storm that does not end is served all the same after this long, in milliseconds. */
const stormMs = 10_000

interface Due<Request> {
  request: Request | undefined
  readonly result: Promise<ReloadResult>
  /** Waits for no silence any more: somebody waits for the outcome. */
  readonly hurry: () => void
}

/**
 * Runs reloads one at a time. Requests that arrive while one runs become one more after it, however many
 * they are: what they ask for was not on disk yet when the first one read it.
 *
 * Signals say nothing but that something has changed, and nobody waits for what comes of them. So of a storm
 * of them the first one is served at once, and all the others together when it is over.
 */
export class Reloader<Request> {
  readonly #perform: PerformReload<Request>
  readonly #log: Logger
  #running: Promise<ReloadResult> | undefined
  #next: Due<Request> | undefined
  #last: ReloadResult | null = null
  #signalledMs = Number.NEGATIVE_INFINITY

  constructor(perform: PerformReload<Request>, log: Logger) {
    this.#perform = perform
    this.#log = log
  }

  /** How the last reload ended; null before the first. */
  get last(): ReloadResult | null {
    return this.#last
  }

  /** Asks for a reload; resolves with the outcome of the one that serves this request, and never rejects. */
  request(request: Request | undefined, cause: string): Promise<ReloadResult> {
    // Looked at first: between two reloads, the next one is due and none is running.
    if (this.#next !== undefined) {
      this.#next.request = request ?? this.#next.request
      this.#next.hurry()
      return this.#next.result
    }
    if (this.#running === undefined) return this.#start(request, cause)
    return this.#plan(request, cause, false)
  }

  /** A signal asks for a reload. */
  signal(cause: string): void {
    const sinceMs = performance.now() - this.#signalledMs
    this.#signalledMs = performance.now()
    if (this.#next !== undefined) return
    if (this.#running === undefined && sinceMs >= quietMs) void this.#start(undefined, cause)
    else void this.#plan(undefined, cause, true)
  }

  #plan(request: Request | undefined, cause: string, patient: boolean): Promise<ReloadResult> {
    const hurried = deferred<void>()
    if (!patient) hurried.resolve()
    const result = (this.#running ?? Promise.resolve())
      .then(() => Promise.race([hurried.promise, this.#silence()]))
      .then(() => {
        const asked = this.#next?.request
        this.#next = undefined
        return this.#start(asked, cause)
      })
    this.#next = { request, result, hurry: () => hurried.resolve() }
    return result
  }

  /** Resolves when no signal has come for a while. */
  async #silence(): Promise<void> {
    const untilMs = performance.now() + stormMs
    for (;;) {
      const nowMs = performance.now()
      const leftMs = Math.min(this.#signalledMs + quietMs, untilMs) - nowMs
      if (leftMs <= 0) return
      // Nobody waits for it when the service ends.
      await new Promise<void>((resolve) => setTimeout(resolve, Math.ceil(leftMs)).unref())
    }
  }

  #start(request: Request | undefined, cause: string): Promise<ReloadResult> {
    this.#running = this.#run(request, cause).finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  async #run(request: Request | undefined, cause: string): Promise<ReloadResult> {
    const startedMs = performance.now()
    this.#log.info({ cause }, 'Reloading')
    let step: ReloadStep = 'configuration'
    let reason: string | null = null
    try {
      await this.#perform(request, (entered) => {
        step = entered
      })
    } catch (error) {
      reason = `${messageOf(error)} (in step "${step}")`
    }
    this.#last = {
      at: new Date().toISOString(),
      outcome: reason === null ? 'done' : 'failed',
      reason,
      durationMs: Math.round(performance.now() - startedMs),
    }
    if (reason === null) this.#log.info(this.#last, 'Reloaded')
    else this.#log.error(this.#last, 'Reload failed; the old generation goes on serving')
    return this.#last
  }
}
