import { setTimeout as delay } from 'node:timers/promises'
import type { Service } from './service.ts'

/** The observations of a watch. */
export interface Sighting {
  /** The largest number of processes at one time. */
  readonly most: number
  /** The smallest number of workers that could take connections. */
  readonly fewest: number
}

/** Shorter than any worker takes to start or to end; in milliseconds. */
const lookEveryMs = 5

/** Polls a service's workers until told to stop. */
export class WorkerWatch {
  readonly #service: Service
  readonly #over = new AbortController()
  readonly #watching: Promise<void>
  /** The PIDs of all observed processes. */
  readonly pids = new Set<number>()
  #most = 0
  #fewest = Number.POSITIVE_INFINITY

  constructor(service: Service) {
    this.#service = service
    this.#watching = this.#watch()
    // An error of the watch is rethrown when `stop` is awaited.
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
