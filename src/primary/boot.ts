import type { HelloserverError } from '../errors.ts'
import type { WorkerSlot } from './worker-slot.ts'

/**
 * Workers that are brought up together. `ready` settles once: when each of them has been ready, or when
 * one of them cannot get there.
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
    // Nobody may be waiting any more, or not yet, when it fails; whoever does is told all the same.
    this.ready.catch(() => {})
    for (const slot of slots) this.#waiting.add(slot)
    if (this.#waiting.size === 0) this.#resolve()
  }

  /** Whether this slot has yet to get ready for the first time. */
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
