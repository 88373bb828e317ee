import { setTimeout as delay } from 'node:timers/promises'
import type { Service } from './service.ts'

/** What a watch saw. */
export interface Sighting {
  /** The most processes that there were at once. */
  readonly most: number
  /** The fewest that could take connections. */
  readonly fewest: number
}

/** Less than any worker takes to start or to end; in milliseconds. */
const lookEveryMs = 5

/** Looks at a service's workers again and again until told to stop. */
export class WorkerWatch {
  readonly #service: Service
  readonly #over = new AbortController()
  readonly #watching: Promise<void>
  /** Every process that was seen. */
  readonly pids = new Set<number>()
  #most = 0
  #fewest = Number.POSITIVE_INFINITY

  constructor(service: Service) {
    this.#service = service
    this.#watching = this.#watch()
    // What it throws is the test's when `stop` is awaited.
    this.#watching.catch(() => {})
  }

  async stop(): Promise<Sighting> {
    this.#over.abort()
    await this.#watching
    return { most: this.#most, fewest: this.#fewest }
  }

  async #watch(): Promise<void> {
    while (!this.#over.signal.aborted) {
      const { workers } = await this.#service.status()
      const serving = workers.filter(({ state }) => state === 'idle' || state === 'busy')
      this.#most = Math.max(this.#most, workers.length)
      this.#fewest = Math.min(this.#fewest, serving.length)
      for (const { pid } of workers) if (pid !== null) this.pids.add(pid)
      await delay(lookEveryMs)
    }
  }
}
