import type { Status } from '../status.ts'

/** How far the plots go back, in samples, of which one is taken each second. */
const lookCount = 300

/** A sample of the service for the plots. Times are in milliseconds; null if nothing was served recently. */
export interface Look {
  /** Since the epoch. */
  readonly atMs: number
  readonly perSecond: number
  readonly queued: number
  readonly waitP99: number | null
  readonly handlingP50: number | null
  readonly handlingP99: number | null
}

export function lookAt({ rates, queue }: Status, atMs: number): Look {
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
  #looks: Look[] = []

  get looks(): readonly Look[] {
    return this.#looks
  }

  add(look: Look): void {
    this.#looks.push(look)
    if (this.#looks.length > lookCount) this.#looks.shift()
  }
}
