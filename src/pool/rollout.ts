import { HelloserverError, messageOf } from '../errors.ts'
import { batchSize, oldWorkersKept } from '../lifecycle/surge.ts'
import type { Generation, WorkerPool } from './pool.ts'
import type { WorkerSlot } from './slot.ts'

/** A change of generations that is under way. */
interface Change {
  readonly pool: WorkerPool
  readonly old: Generation
  readonly next: Generation
  /** How many workers the old generation had. */
  readonly had: number
  /** New workers that are ready but not serving yet, each with the PID that it had when it became ready. */
  readonly waiting: Map<WorkerSlot, number | undefined>
}

/**
 * Changes from one generation of workers to the next, in batches. The first new worker comes up alone, as a
 * canary. When a batch is ready it serves, and as many old workers retire; the next batch begins when their
 * processes have ended, so that the processes never exceed the number of workers plus one batch.
 *
 * @param onCanaryReady - called when the first new worker is ready
 * @throws HelloserverError `BOOT_FAILED`; by then the old generation has as many workers as before: see `undo`
 */
export async function rollOut(
  pool: WorkerPool,
  old: Generation,
  next: Generation,
  onCanaryReady: () => void,
): Promise<void> {
  const change = { pool, old, next, had: old.slots.length, waiting: new Map() }
  const { workers, reload } = next.config
  try {
    // Those that an earlier change let go may still have a connection in hand: they count as well.
    if (reload.surge !== 'all')
      await pool.gone(pool.slots.filter((slot) => !old.slots.includes(slot)))
    await bringUp(change, 1)
    onCanaryReady()
    for (;;) {
      const batch = batchSize(next.slots.length, workers, reload.surge)
      await bringUp(change, batch - change.waiting.size)
      const leaving = takeOver(change)
      if (next.slots.length === workers) return
      await pool.gone(leaving)
    }
  } catch (error) {
    throw await undo(change, error)
  }
}

async function bringUp({ pool, next, waiting }: Change, count: number): Promise<void> {
  const first = next.slots.length + waiting.size + 1
  for (const slot of await pool.add(next, first, count)) waiting.set(slot, slot.pid)
}

/** Lets a batch serve; returns the old workers that retire for it. */
function takeOver({ pool, old, next, had, waiting }: Change): WorkerSlot[] {
  for (const [slot, pid] of waiting) {
    if (slot.isIdle && slot.pid === pid) continue
    throw new HelloserverError('BOOT_FAILED', `Worker ${slot.number} was ready, but died again`)
  }
  for (const slot of waiting.keys()) {
    next.slots.push(slot)
    pool.activate(slot)
  }
  waiting.clear()
  const kept = oldWorkersKept(next.slots.length, next.config.workers, had)
  // From the front, as the new ones are added: workers of the same number replace each other.
  const leaving = old.slots.splice(0, old.slots.length - kept)
  for (const slot of leaving) pool.retire(slot, 'replaced by a newer generation')
  return leaving
}

/**
 * Gives the old generation as many workers as it had. Those that have retired by now are started again, one by one,
 * and until each is ready, the new worker that replaced it keeps serving: the failure must not cost
 * capacity, least of all when the code on disk is broken and the old workers cannot start either.
 *
 * @returns the failure, as it is to be reported
 */
async function undo({ pool, old, next, had, waiting }: Change, failure: unknown): Promise<unknown> {
  const cause = 'its generation failed'
  for (const slot of waiting.keys()) pool.retire(slot, cause)
  // A service that ends keeps both old and new workers as long as it has something to serve.
  if (pool.isFrozen) return failure
  const standIns = next.slots.splice(0, had - old.slots.length)
  for (const slot of next.slots) pool.retire(slot, cause)
  old.slots.unshift(...standIns)
  for (const slot of standIns) pool.assign(slot, old)
  try {
    for (const slot of standIns) {
      // One that has died since was replaced by an old one already.
      if (slot.generation === old.number) continue
      await pool.replace(old, slot, cause)
      await pool.gone([slot])
    }
    return failure
  } catch (error) {
    const left = old.slots.filter(({ generation }) => generation !== old.number)
    return new HelloserverError(
      'BOOT_FAILED',
      `${messageOf(failure)}; in addition, old workers that were replaced cannot start again (${messageOf(error)}); until they can, new workers stand in for them: ${left.length}`,
    )
  }
}
