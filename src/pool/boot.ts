import { deferred } from '../async/deferred.ts'
import type { HelloserverError } from '../errors.ts'
import type { WorkerSlot } from './slot.ts'

/**
 * Workers that are brought up together, so many at a time as load their code: more would only take the processors from
 * each other, and each has a deadline. `ready` settles once: when all of them have become ready, or when one of them
 * cannot.
 */
export class Boot<Slot = WorkerSlot> {
  readonly #waiting: Set<Slot>
  readonly #start: (slot: Slot) => void
  readonly #atATime: number
  /** Those whose processes are yet to be started, the first one last. */
  readonly #unstarted: Slot[]
  readonly #loading = new Set<Slot>()
  readonly #ready = deferred<void>()

  /**
   * @param start - starts the process of a slot, which loads until `onLoaded`
   * @param atATime - how many may load at a time
   */
  constructor(slots: readonly Slot[], start: (slot: Slot) => void, atATime: number) {
    this.#waiting = new Set(slots)
    this.#start = start
    this.#atATime = atATime
    this.#unstarted = slots.toReversed()
    // It may fail when it is not awaited yet, or any more; callers that do await it still get the failure.
    this.#ready.promise.catch(() => {})
    if (this.#waiting.size === 0) this.#ready.resolve()
  }

  get ready(): Promise<void> {
    return this.#ready.promise
  }

  /** Whether this slot has yet to become ready for the first time. */
  awaits(slot: Slot): boolean {
    return this.#waiting.has(slot)
  }

  /** Starts as many as may load. */
  begin(): void {
    while (this.#loading.size < this.#atATime) {
      const next = this.#unstarted.pop()
      if (next === undefined) return
      this.#loading.add(next)
      // If it cannot be started, this may be called again before it returns.
      this.#start(next)
    }
  }

  /** The slot's process has loaded its code, or has ended. */
  onLoaded(slot: Slot): void {
    if (this.#loading.delete(slot)) this.begin()
  }

  markReady(slot: Slot): void {
    this.#waiting.delete(slot)
    if (this.#waiting.size === 0) this.#ready.resolve()
  }

  /** Gives up: no more processes are started. */
  fail(failure: HelloserverError): void {
    this.#unstarted.length = 0
    this.#ready.reject(failure)
  }
}
