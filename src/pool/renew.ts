import type { Crew } from './crew.ts'
import type { Generation } from './generation.ts'
import type { WorkerSlot } from './worker-slot.ts'

/**
 * Replaces a worker of a generation with a fresh one: that one becomes ready first, then the old one retires
 * after its active connection. Resolves when the fresh one serves.
 *
 * @throws HelloserverError `BOOT_FAILED` when the fresh one cannot become ready: the old one keeps serving.
 */
export async function renew(
  crew: Crew,
  generation: Generation,
  slot: WorkerSlot,
  cause: string,
): Promise<void> {
  for (const fresh of await crew.add(generation, slot.number, 1)) {
    generation.slots.splice(generation.slots.indexOf(slot), 1, fresh)
    crew.serve(fresh)
  }
  crew.retire(slot, cause)
}
