import { deferred } from '../async/deferred.ts'
import type { Stats } from '../connections/stats.ts'
import { codeOf, messageOf } from '../errors.ts'
import type { ReloadResult } from '../status.ts'
import type { Events } from '../telemetry/events.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { ReloadStep, StepName } from './reload-steps.ts'

/** Plans the reloads of a queue, and learns when one begins. */
export interface ReloadListener<Request> {
  /** The steps of a reload that was requested; performs none of them. */
  stepsOf(request: Partial<Request>): readonly ReloadStep[]
  /** A reload has begun; its outcome never rejects. */
  onReload(outcome: Promise<ReloadResult>): void
}

/** A signal that follows another one within this time belongs to the same storm; in milliseconds. */
const quietMs = 500
/** Limits the reason in a result, since an app may print any amount of text as it fails. The log has all of it. */
const maxReasonLength = 2_000
/** A storm that does not end is served after this long all the same, in milliseconds. */
const stormMs = 10_000

interface Failure {
  readonly error: unknown
}

interface Due<Request> {
  request: Partial<Request>
  readonly result: Promise<ReloadResult>
  /** Whether a caller waits for the outcome; then the reload does not wait for silence. */
  isAwaited: boolean
  readonly hurry: () => void
}

/**
 * Runs reloads one at a time. Requests that arrive while one runs become one more after it, however many there
 * are: what they ask for was not on disk yet when the running one read it.
 *
 * A signal says only that something has changed, and its sender does not wait for an outcome. So the first signal of a
 * storm is served at once, and all the others together when it is over.
 */
export class ReloadQueue<Request extends object> {
  readonly #listener: ReloadListener<Request>
  readonly #events: Events
  readonly #stats: Stats
  readonly #log: Logger
  #running: Promise<ReloadResult> | undefined
  #next: Due<Request> | undefined
  #last: ReloadResult | null = null
  #signalledMs = Number.NEGATIVE_INFINITY

  constructor(listener: ReloadListener<Request>, events: Events, stats: Stats, log: Logger) {
    this.#listener = listener
    this.#events = events
    this.#stats = stats
    this.#log = log
  }

  /** How the last reload ended; null before the first. */
  get last(): ReloadResult | null {
    return this.#last
  }

  /** Whether signals alone have requested another reload, which is due after the running one. */
  get isOwed(): boolean {
    return this.#next !== undefined && !this.#next.isAwaited
  }

  /** A reload that another process began has succeeded in this one. */
  conclude(beganAtMs: number): void {
    this.#last = resultOf(Date.now() - beganAtMs, null)
    this.#stats.reloaded('done')
  }

  /**
   * Requests a reload; resolves with the outcome of the one that serves this request, and never rejects. When
   * requests are merged, the last one to set a property wins.
   */
  request(request: Partial<Request>, cause: string): Promise<ReloadResult> {
    // Checked first: between two reloads, the next one is due and none is running.
    if (this.#next !== undefined) {
      this.#next.request = { ...this.#next.request, ...request }
      this.#next.isAwaited = true
      this.#next.hurry()
      return this.#next.result
    }
    if (this.#running === undefined) return this.#start(request, cause)
    return this.#plan(request, cause, true)
  }

  /** A signal requests a reload. */
  signal(cause: string): void {
    const sinceMs = performance.now() - this.#signalledMs
    this.#signalledMs = performance.now()
    if (this.#next !== undefined) return
    if (this.#running === undefined && sinceMs >= quietMs) void this.#start({}, cause)
    else void this.#plan({}, cause, false)
  }

  #plan(request: Partial<Request>, cause: string, isAwaited: boolean): Promise<ReloadResult> {
    const hurried = deferred<void>()
    if (isAwaited) hurried.resolve()
    const result = (this.#running ?? Promise.resolve())
      .then(() => Promise.race([hurried.promise, this.#silence()]))
      .then(() => {
        const asked = this.#next?.request
        this.#next = undefined
        return this.#start(asked ?? request, cause)
      })
    this.#next = { request, result, isAwaited, hurry: () => hurried.resolve() }
    return result
  }

  /** Resolves when no signal has arrived for a while. */
  async #silence(): Promise<void> {
    const untilMs = performance.now() + stormMs
    for (;;) {
      const nowMs = performance.now()
      const leftMs = Math.min(this.#signalledMs + quietMs, untilMs) - nowMs
      if (leftMs <= 0) return
      // The timer must not keep the process alive when the service ends.
      await new Promise<void>((resolve) => setTimeout(resolve, Math.ceil(leftMs)).unref())
    }
  }

  #start(request: Partial<Request>, cause: string): Promise<ReloadResult> {
    this.#running = this.#run(request, cause).finally(() => {
      this.#running = undefined
    })
    this.#listener.onReload(this.#running)
    return this.#running
  }

  async #run(request: Partial<Request>, cause: string): Promise<ReloadResult> {
    const startedMs = performance.now()
    this.#events.record('reload-begun', { cause })
    const { step, failure } = await this.#perform(this.#listener.stepsOf(request))
    let reason: string | null = null
    let whole: string | null = null
    if (failure !== undefined) {
      const message = messageOf(failure.error)
      const inStep = ` (in step "${step}")`
      reason = `${cut(message)}${inStep}`
      if (givenUp.has(codeOf(failure.error) ?? '')) {
        this.#log.info({ cause, reason }, 'Not reloading')
        return resultOf(performance.now() - startedMs, reason)
      }
      whole = `${message}${inStep}`
    }
    this.#last = resultOf(performance.now() - startedMs, reason)
    this.#record(cause, step, { ...this.#last, reason: whole })
    return this.#last
  }

  /**
   * Runs steps in order. When one fails, those before it are undone in reverse; when all have succeeded, they are
   * completed in reverse.
   *
   * @returns the last step that was run, and its failure if it has failed
   */
  async #perform(steps: readonly ReloadStep[]): Promise<{ step: StepName; failure?: Failure }> {
    const run: ReloadStep[] = []
    let step: StepName = 'configuration'
    let failure: Failure | undefined
    try {
      for (const next of steps) {
        step = next.name
        await next.run()
        run.unshift(next)
      }
    } catch (error) {
      failure = { error }
    }
    const isUndone = failure !== undefined
    for (const { name, undo, complete } of run) {
      try {
        await (isUndone ? undo?.(failure?.error) : complete?.())
      } catch (error) {
        // The others hold locks and permits that must be given back all the same.
        this.#log.error({ step: name, error }, `Cannot ${isUndone ? 'undo' : 'complete'} a step`)
        failure ??= { error }
      }
    }
    return failure === undefined ? { step } : { step, failure }
  }

  #record(cause: string, step: StepName, { reason, durationMs }: ReloadResult): void {
    // A successor reports and counts its own success.
    if (reason === null && step === 'successor') return
    this.#stats.reloaded(reason === null ? 'done' : 'failed')
    if (reason === null) this.#events.record('reload-done', { cause, durationMs })
    else this.#events.record('reload-failed', { cause, step, reason, durationMs })
  }
}

/** Not failures: another process is the service, or it ends. */
const givenUp: ReadonlySet<string> = new Set(['HANDED_OVER', 'STOPPING'])

function cut(message: string): string {
  return message.length > maxReasonLength ? `${message.slice(0, maxReasonLength)}…` : message
}

function resultOf(durationMs: number, reason: string | null): ReloadResult {
  return {
    at: new Date().toISOString(),
    outcome: reason === null ? 'done' : 'failed',
    reason,
    durationMs: Math.round(durationMs),
  }
}
