import type { Crew } from './crew.ts'
import type { Generation } from './generation.ts'
import type { WorkerSlot } from './worker-slot.ts'

/**
 * Puts a fresh worker in the place of one of a generation's: ready first, then the old one retires after
 * what it has in hand. Resolves when the fresh one serves.
 *
 * @throws HelloserverError `BOOT_FAILED` when the fresh one cannot get ready: the old one serves on.
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
