import type { Config } from '../config/load.ts'
import type { Stats } from '../connections/stats.ts'
import { messageOf } from '../errors.ts'
import {
  firstToReplace,
  type RecycleLimits,
  recycleCause,
  recycleDelayMs,
  type Wear,
} from '../lifecycle/recycle.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Mutex } from './mutex.ts'
import type { Generation, WorkerPool } from './pool.ts'
import type { WorkerSlot } from './slot.ts'

/**
 * How often workers are checked, in milliseconds. Rarely enough that connections do not pay for it, at the
 * price that a busy worker somewhat exceeds its limit.
 */
const checkEveryMs = 250

/** A worker that has exceeded a limit. */
interface Due {
  readonly generation: Generation
  readonly slot: WorkerSlot
  readonly cause: string
  readonly wear: Wear
}

/**
 * Replaces workers that exceed their limits, one at a time: the next replacement waits until the process of the
 * previous worker has ended. It takes turns with reloads and scaling. A replacement that cannot become ready
 * costs nothing, and is attempted again after a growing delay.
 */
export class Recycler {
  readonly #pool: WorkerPool
  readonly #mutex: Mutex
  readonly #stats: Stats
  readonly #log: Logger
  readonly #over = new AbortController()
  #limits: RecycleLimits = { afterConnections: 0, maxAgeMs: 0, maxRssMb: 0 }
  #timer: NodeJS.Timeout | undefined
  #failures = 0

  constructor(config: Config, pool: WorkerPool, mutex: Mutex, stats: Stats, log: Logger) {
    this.#pool = pool
    this.#mutex = mutex
    this.#stats = stats
    this.#log = log
    this.apply(config)
  }

  /** Applies `recycle`. */
  apply({ recycle }: Pick<Config, 'recycle'>): void {
    this.#limits = recycle
  }

  /** Checks the workers until `stop`. */
  start(): void {
    this.#checkIn(checkEveryMs)
  }

  stop(): void {
    this.#over.abort()
    clearTimeout(this.#timer)
  }

  #checkIn(ms: number): void {
    if (this.#over.signal.aborted) return
    this.#timer = setTimeout(() => void this.#check(), ms)
  }

  async #check(): Promise<void> {
    if (this.#due() !== undefined) await this.#recycleOne()
    this.#checkIn(Math.max(checkEveryMs, recycleDelayMs(this.#failures, Math.random())))
  }

  async #recycleOne(): Promise<void> {
    try {
      const retired = await this.#mutex.run(() => this.#replaceDue())
      this.#failures = 0
      if (retired !== undefined) await this.#pool.gone([retired])
    } catch (error) {
      if (this.#over.signal.aborted) return
      this.#failures += 1
      this.#log.error(
        { reason: messageOf(error), failures: this.#failures },
        'Cannot recycle a worker; it keeps serving',
      )
    }
  }

  async #replaceDue(): Promise<WorkerSlot | undefined> {
    // Another change may have replaced it since.
    const due = this.#due()
    if (due === undefined) return undefined
    const { generation, slot, cause } = due
    this.#log.info({ slot: slot.number, workerPid: slot.pid, cause }, 'Recycling a worker')
    await this.#pool.replace(generation, slot, cause)
    this.#stats.restarted('recycled')
    return slot
  }

  #due(): Due | undefined {
    const { current: generation } = this.#pool
    if (generation === undefined) return undefined
    const due = generation.slots.flatMap((slot) => {
      const cause = this.#causeFor(slot, generation)
      return cause === undefined ? [] : [{ generation, slot, cause, wear: slot.wear }]
    })
    return firstToReplace(due)
  }

  #causeFor(slot: WorkerSlot, generation: Generation): string | undefined {
    if (slot.state !== 'idle' && slot.state !== 'busy') return undefined
    if (slot.generation !== generation.number) {
      return `stands in for generation ${generation.number}`
    }
    return recycleCause(slot.wear, this.#limits)
  }
}
