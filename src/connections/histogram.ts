import type { HistogramTotals, Percentiles } from '../status.ts'

/** Upper bound of the first bucket; each further bound is twice the previous one. Milliseconds. */
const firstBoundMs = 0.125
/** The last bound is about 65 s, longer than a connection may take by default. */
const boundCount = 20

/** Upper bounds of the buckets, in milliseconds; one more bucket holds longer durations. */
const boundsMs = Array.from({ length: boundCount }, (_, at) => firstBoundMs * 2 ** at)
const boundsSeconds: readonly number[] = boundsMs.map((ms) => ms / 1_000)

/** Counts durations in buckets: one increment for each, however long it is. */
export class Histogram {
  readonly #counts = Array.from({ length: boundCount + 1 }, () => 0)
  #sumMs = 0

  add(ms: number): void {
    const units = Math.ceil(ms / firstBoundMs)
    // The bound's exponent of two: the number of bits of `units - 1`.
    const at = units <= 1 ? 0 : Math.min(32 - Math.clz32(units - 1), boundCount)
    this.#counts[at] = (this.#counts[at] ?? 0) + 1
    this.#sumMs += ms
  }

  /** The count of each bucket so far. */
  get counts(): number[] {
    return this.#counts.slice()
  }

  /** All counts so far, added to those from `before`. */
  totals(before: HistogramTotals | undefined): HistogramTotals {
    // Another release may have other buckets.
    const base = before?.counts.length === this.#counts.length ? before : undefined
    return {
      buckets: boundsSeconds,
      counts: this.#counts.map((count, at) => count + (base?.counts[at] ?? 0)),
      sumSeconds: this.#sumMs / 1_000 + (base?.sumSeconds ?? 0),
    }
  }

  /** Percentiles of the durations since the counts were `then`; null when there were none. */
  since(then: readonly number[]): Percentiles | null {
    const counts = this.#counts.map((count, at) => count - (then[at] ?? 0))
    const all = counts.reduce((sum, count) => sum + count, 0)
    if (all === 0) return null
    return { p50: percentile(counts, all, 0.5), p99: percentile(counts, all, 0.99) }
  }
}

/** Assumes that durations are spread evenly within a bucket, as Prometheus's `histogram_quantile` does. */
function percentile(counts: readonly number[], all: number, share: number): number {
  let left = share * all
  for (const [at, count] of counts.entries()) {
    if (count >= left) {
      const from = boundsMs[at - 1] ?? 0
      const to = boundsMs[at] ?? from
      return Number((from + ((to - from) * left) / count).toPrecision(3))
    }
    left -= count
  }
  return boundsMs.at(-1) ?? 0
}
