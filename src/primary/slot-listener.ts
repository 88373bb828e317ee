import type { Progress } from '../ipc/progress.ts'
import type { WorkerEnd } from './worker-end.ts'
import type { WorkerSlot } from './worker-slot.ts'

/** What a slot tells its crew. */
export interface SlotListener {
  onReady(slot: WorkerSlot): void
  /** The process ends by itself, after what it has in hand. */
  onLeaving(slot: WorkerSlot): void
  onProgress(slot: WorkerSlot, progress: Progress): void
  /** A line that the worker's process printed. */
  onOutput(slot: WorkerSlot, line: Buffer, stream: 'stdout' | 'stderr'): void
  /** The process has ended, and all that it still had to say has been heard. */
  onEnd(slot: WorkerSlot, end: WorkerEnd): void
}
