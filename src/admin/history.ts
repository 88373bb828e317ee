import type { Status } from '../status.ts'

/** How far the plots go back, in samples, of which one is taken each second. */
const maxSamples = 300

/** A sample of the service for the plots. Times are in milliseconds; null if nothing was served recently. */
export interface Sample {
  /** Since the epoch. */
  readonly atMs: number
  readonly perSecond: number
  readonly queued: number
  readonly waitP99: number | null
  readonly handlingP50: number | null
  readonly handlingP99: number | null
}

export function sampleOf({ rates, queue }: Status, atMs: number): Sample {
  return {
    atMs,
    perSecond: rates.perSecond,
    queued: queue.length,
    waitP99: rates.waitMs?.p99 ?? null,
    handlingP50: rates.handlingMs?.p50 ?? null,
    handlingP99: rates.handlingMs?.p99 ?? null,
  }
}

/** Keeps the last samples, so that a newly opened page can show the recent past. */
export class History {
  #samples: Sample[] = []

  get samples(): readonly Sample[] {
    return this.#samples
  }

  add(sample: Sample): void {
    this.#samples.push(sample)
    if (this.#samples.length > maxSamples) this.#samples.shift()
  }
}
