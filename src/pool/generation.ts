import type { Config } from '../config/load.ts'
import type { WorkerSlot } from './worker-slot.ts'

/**
 * The workers of one configuration.
 *
 * After a failed reload, a worker of the failed generation may for a while stand in for one of this generation
 * that it had replaced: then the slot's own generation is that other one.
 */
export interface Generation {
  readonly number: number
  readonly config: Config
  readonly slots: WorkerSlot[]
}
