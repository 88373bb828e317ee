import type { Progress } from '../ipc/progress.ts'
import type { OutputSink, Printer } from '../telemetry/worker-output.ts'
import type { WorkerEnd } from './worker-end.ts'
import type { WorkerSlot } from './worker-slot.ts'

/** What a slot tells its crew. */
export interface SlotListener {
  onReady(slot: WorkerSlot): void
  /** The process ends by itself, after what it has in hand. */
  onLeaving(slot: WorkerSlot, cause: string): void
  /** The process lives and cannot do its part; one that is killed gives up what it has in hand. */
  onUnfit(slot: WorkerSlot, reason: string, how: 'retire' | 'kill'): void
  onProgress(slot: WorkerSlot, progress: Progress): void
  /** Makes what takes the output of a process that has just been started. */
  openOutput(printer: Printer): OutputSink
  /** The process has ended, and all that it still had to say has been heard. */
  onEnd(slot: WorkerSlot, end: WorkerEnd): void
}
