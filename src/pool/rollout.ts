import { HelloserverError, messageOf } from '../errors.ts'
import { batchSize, oldWorkersKept } from '../lifecycle/surge.ts'
import type { Crew } from './crew.ts'
import type { Generation } from './generation.ts'
import { renew } from './renew.ts'
import type { WorkerSlot } from './worker-slot.ts'

/**
 * The change from one generation of workers to the next, in batches. The first new worker comes up alone, as a
 * canary. When a batch is ready it serves, and as many old workers retire; the next batch begins when their
 * processes have ended, so that the processes never exceed the number of workers plus one batch.
 *
 * A failure anywhere gives the places back: see `#undo`.
 */
export class Rollout {
  readonly #crew: Crew
  readonly #old: Generation
  readonly #next: Generation
  /** How many workers the old generation had. */
  readonly #had: number
  /** New workers that are ready but not serving yet, each with the PID that it had when it became ready. */
  readonly #waiting = new Map<WorkerSlot, number | undefined>()

  constructor(crew: Crew, old: Generation, next: Generation) {
    this.#crew = crew
    this.#old = old
    this.#next = next
    this.#had = old.slots.length
  }

  /** @throws HelloserverError `BOOT_FAILED`; by then the old generation has all of its places again */
  async run(onCanaryReady: () => void): Promise<void> {
    try {
      await this.#advance(onCanaryReady)
    } catch (error) {
      throw await this.#undo(error)
    }
  }

  async #advance(onCanaryReady: () => void): Promise<void> {
    const { slots, config } = this.#next
    const { workers, reload } = config
    await this.#bringUp(1)
    onCanaryReady()
    for (;;) {
      await this.#bringUp(batchSize(slots.length, workers, reload.surge) - this.#waiting.size)
      const leaving = this.#takeOver()
      if (slots.length === workers) return
      await this.#crew.gone(leaving)
    }
  }

  async #bringUp(count: number): Promise<void> {
    const first = this.#next.slots.length + this.#waiting.size + 1
    for (const slot of await this.#crew.add(this.#next, first, count)) {
      this.#waiting.set(slot, slot.pid)
    }
  }

  /** Lets a batch serve; returns the old workers that retire for it. */
  #takeOver(): WorkerSlot[] {
    const { slots, config } = this.#next
    for (const [slot, pid] of this.#waiting) {
      if (slot.state === 'idle' && slot.pid === pid) continue
      throw new HelloserverError('BOOT_FAILED', `Worker ${slot.number} was ready, but died again`)
    }
    for (const slot of this.#waiting.keys()) {
      slots.push(slot)
      this.#crew.serve(slot)
    }
    this.#waiting.clear()
    const kept = oldWorkersKept(slots.length, config.workers, this.#had)
    // From the front, as the new ones are added: workers of the same number replace each other.
    const leaving = this.#old.slots.splice(0, this.#old.slots.length - kept)
    for (const slot of leaving) this.#crew.retire(slot, 'replaced by a newer generation')
    return leaving
  }

  /**
   * Gives the old generation its places back. Workers that have retired by now are started again, one by one,
   * and until each is ready, the new worker that replaced it keeps serving: the failure must not cost
   * capacity, least of all when the code on disk is broken and the old workers cannot start either.
   *
   * @returns the failure, as it is to be reported
   */
  async #undo(failure: unknown): Promise<unknown> {
    for (const slot of this.#waiting.keys()) this.#crew.retire(slot, 'its generation failed')
    // A service that ends keeps both old and new workers as long as it has something to serve.
    if (this.#crew.isClosed) return failure
    const standIns = this.#next.slots.splice(0, this.#had - this.#old.slots.length)
    for (const slot of this.#next.slots) this.#crew.retire(slot, 'its generation failed')
    this.#old.slots.unshift(...standIns)
    for (const slot of standIns) this.#crew.adopt(slot, this.#old)
    try {
      for (const slot of standIns) await this.#giveBack(slot)
      return failure
    } catch (error) {
      const left = this.#old.slots.filter(({ generation }) => generation !== this.#old.number)
      return new HelloserverError(
        'BOOT_FAILED',
        `${messageOf(failure)}; and old workers that had been replaced by then cannot start again (${messageOf(error)}): ${left.length} new ones stand in for them until they can`,
      )
    }
  }

  async #giveBack(slot: WorkerSlot): Promise<void> {
    // It has died since, and its replacement is an old one already.
    if (slot.generation === this.#old.number) return
    await renew(this.#crew, this.#old, slot, 'its generation failed')
    await this.#crew.gone([slot])
  }
}
