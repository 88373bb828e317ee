import type { Rates, RestartCause, ShedReason, StatsTotals } from '../status.ts'
import { Histogram } from './histogram.ts'

/** How many samples the rate covers, and how many the percentiles. */
const rateSamples = 5
const recentSamples = 30

/** The counts at one moment. */
interface Sample {
  readonly atMs: number
  readonly handled: number
  readonly wait: readonly number[]
  readonly handling: readonly number[]
}

/**
 * How fast the service is, and how often something went wrong: since its start, and in the last seconds.
 *
 * A connection costs an increment in each histogram. Recent rates are the difference from an earlier sample of the
 * same counts.
 */
export class Stats {
  readonly #wait = new Histogram()
  readonly #handling = new Histogram()
  readonly #restarts: Record<RestartCause, number> = {
    exit: 0,
    signal: 0,
    left: 0,
    hung: 0,
    'not-ready': 0,
    'out-of-memory': 0,
    unfit: 0,
    recycled: 0,
  }
  readonly #reloads = { done: 0, failed: 0 }
  readonly #shed: Record<ShedReason, number> = {
    denied: 0,
    'rate-limit': 0,
    'client-limit': 0,
    'queue-full': 0,
    'lease-lost': 0,
  }
  #handled = 0
  #inherited: StatsTotals | undefined
  /** Oldest first; begins with the sample at the start. */
  readonly #samples: Sample[]

  constructor() {
    this.#samples = [this.#now()]
  }

  /** Counts a connection that a worker has handled: how long it had waited, and how long the worker took. */
  handled(waitMs: number, handlingMs: number): void {
    this.#handled += 1
    this.#wait.add(waitMs)
    this.#handling.add(handlingMs)
  }

  /** Counts a connection that was turned away. */
  shed(reason: ShedReason): void {
    this.#shed[reason] += 1
  }

  /** Counts a worker that was replaced by another. */
  restarted(cause: RestartCause): void {
    this.#restarts[cause] += 1
  }

  reloaded(outcome: 'done' | 'failed'): void {
    this.#reloads[outcome] += 1
  }

  /** Includes what another process of this service has counted; replaces what was inherited before. */
  inherit(totals: StatsTotals): void {
    this.#inherited = totals
  }

  /** Takes the sample of this second; must be called once a second. */
  sample(): void {
    this.#samples.push(this.#now())
    if (this.#samples.length > recentSamples) this.#samples.shift()
  }

  /** The rates of the last seconds. */
  get rates(): Rates {
    const nowMs = performance.now()
    const rateFrom = this.#samples.at(-rateSamples) ?? this.#samples[0]
    const from = this.#samples[0]
    const seconds = (nowMs - (rateFrom?.atMs ?? nowMs)) / 1_000
    const handled = this.#handled - (rateFrom?.handled ?? 0)
    return {
      perSecond: seconds > 0 ? Math.round((10 * handled) / seconds) / 10 : 0,
      waitMs: this.#wait.since(from?.wait ?? []),
      handlingMs: this.#handling.since(from?.handling ?? []),
    }
  }

  /** The totals since the service's start, upgrades included. */
  get totals(): StatsTotals {
    const before = this.#inherited
    return {
      wait: this.#wait.totals(before?.wait),
      handling: this.#handling.totals(before?.handling),
      restarts: added(this.#restarts, before?.restarts),
      reloads: added(this.#reloads, before?.reloads),
      shed: added(this.#shed, before?.shed),
    }
  }

  #now(): Sample {
    return {
      atMs: performance.now(),
      handled: this.#handled,
      wait: this.#wait.counts,
      handling: this.#handling.counts,
    }
  }
}

function added<Key extends string>(
  own: Readonly<Record<Key, number>>,
  before: Readonly<Record<Key, number>> | undefined,
): Record<Key, number> {
  const sums = (Object.entries(own) as [Key, number][]).map(([key, count]) => [
    key,
    count + (before?.[key] ?? 0),
  ])
  return Object.fromEntries(sums) as Record<Key, number>
}
