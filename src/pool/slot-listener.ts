import type { Progress } from '../ipc/progress.ts'
import type { OutputSink, Printer } from '../telemetry/worker-output.ts'
import type { WorkerEnd } from './worker-end.ts'
import type { WorkerSlot } from './worker-slot.ts'

/** Receives the reports of a slot. */
export interface SlotListener {
  onReady(slot: WorkerSlot): void
  /** The process ends by itself, after its active connection. */
  onLeaving(slot: WorkerSlot, cause: string): void
  /** The process is alive but cannot do its job; `kill` makes it give up the connection in hand. */
  onUnfit(slot: WorkerSlot, reason: string, how: 'retire' | 'kill'): void
  onProgress(slot: WorkerSlot, progress: Progress): void
  /** Creates the sink for the output of a process that has just been started. */
  openOutput(printer: Printer): OutputSink
  /** The process has ended, and everything that it had sent has been read. */
  onEnd(slot: WorkerSlot, end: WorkerEnd): void
}
