import type { Config } from '../config/load.ts'
import type { WorkerSlot } from './worker-slot.ts'

/**
 * The workers of one configuration.
 *
 * After a failed reload, one of them may for a while belong to the generation that failed, and stand in
 * for one of this generation that it had taken over from: then the slot's own generation is another.
 */
export interface Generation {
  readonly number: number
  readonly config: Config
  readonly slots: WorkerSlot[]
}
