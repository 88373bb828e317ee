import type { HelloserverError } from '../errors.ts'
import type { WorkerSlot } from './worker-slot.ts'

/**
 * Workers that are brought up together. `ready` settles once: when all of them have become ready, or when one
 * of them cannot.
 */
export class Boot {
  readonly ready: Promise<void>
  readonly #waiting = new Set<WorkerSlot>()
  #resolve!: () => void
  #reject!: (reason: HelloserverError) => void

  constructor(slots: readonly WorkerSlot[]) {
    this.ready = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // It may fail when nobody awaits it yet, or any more; callers that do await it still get the failure.
    this.ready.catch(() => {})
    for (const slot of slots) this.#waiting.add(slot)
    if (this.#waiting.size === 0) this.#resolve()
  }

  /** Whether this slot has yet to become ready for the first time. */
  awaits(slot: WorkerSlot): boolean {
    return this.#waiting.has(slot)
  }

  markReady(slot: WorkerSlot): void {
    this.#waiting.delete(slot)
    if (this.#waiting.size === 0) this.#resolve()
  }

  /** Gives up. */
  fail(failure: HelloserverError): void {
    this.#reject(failure)
  }
}
