import { messageOf } from '../errors.ts'
import { recycleCause, recycleDelayMs } from '../lifecycle/recycle.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Stats } from '../connections/stats.ts'
import type { Mutex } from './mutex.ts'
import type { WorkerPool } from './worker-pool.ts'
import type { WorkerSlot } from './worker-slot.ts'

/**
 * How often workers are checked, in milliseconds. Rarely enough that connections do not pay for it, at the
 * price that a busy worker somewhat exceeds its limit.
 */
const lookEveryMs = 250

interface Due {
  readonly slot: WorkerSlot
  readonly cause: string
}

/**
 * Has workers that exceed their limits replaced, one at a time: the next replacement waits until the previous
 * worker's process has ended. Takes turns with reloads and scaling. A replacement that cannot become ready
 * costs nothing, and is tried again after a growing delay.
 */
export class Recycler {
  readonly #pool: WorkerPool
  readonly #mutex: Mutex
  readonly #figures: Stats
  readonly #log: Logger
  readonly #over = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #failures = 0

  constructor(pool: WorkerPool, mutex: Mutex, figures: Stats, log: Logger) {
    this.#pool = pool
    this.#mutex = mutex
    this.#figures = figures
    this.#log = log
  }

  /** Checks the workers until `stop`. */
  start(): void {
    this.#lookIn(lookEveryMs)
  }

  stop(): void {
    this.#over.abort()
    clearTimeout(this.#timer)
  }

  #lookIn(ms: number): void {
    if (this.#over.signal.aborted) return
    this.#timer = setTimeout(() => void this.#look(), ms)
  }

  async #look(): Promise<void> {
    if (this.#due() !== undefined) await this.#recycleOne()
    this.#lookIn(Math.max(lookEveryMs, recycleDelayMs(this.#failures, Math.random())))
  }

  async #recycleOne(): Promise<void> {
    try {
      const retired = await this.#mutex.run(() => this.#renew())
      this.#failures = 0
      if (retired !== undefined) await this.#pool.gone(retired)
    } catch (error) {
      if (this.#over.signal.aborted) return
      this.#failures += 1
      this.#log.error(
        { reason: messageOf(error), failures: this.#failures },
        'Cannot recycle a worker; the old one goes on serving',
      )
    }
  }

  async #renew(): Promise<WorkerSlot | undefined> {
    // Other changes may have had their turn since.
    const due = this.#due()
    if (due === undefined) return undefined
    const { slot, cause } = due
    this.#log.info({ slot: slot.number, workerPid: slot.pid, cause }, 'Recycling a worker')
    await this.#pool.renew(slot, cause)
    this.#figures.restarted('recycled')
    return slot
  }

  #due(): Due | undefined {
    const { current } = this.#pool
    if (current === undefined) return undefined
    for (const slot of current.slots) {
      if (slot.state !== 'idle' && slot.state !== 'busy') continue
      const cause =
        slot.generation === current.number
          ? recycleCause(slot.wear, current.config.recycle)
          : `stands in for generation ${current.number}`
      if (cause !== undefined) return { slot, cause }
    }
    return undefined
  }
}
