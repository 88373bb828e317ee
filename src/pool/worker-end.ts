import type { HelloserverError } from '../errors.ts'
import type { Step } from '../ipc/progress.ts'
import type { RestartCause } from '../status.ts'

/** How a worker process ended. */
export interface WorkerEnd {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** Why there was no process at all; undefined when there was one. */
  readonly failure: HelloserverError | undefined
  /** The worker's own report of what went wrong, or the primary's reason for killing it. */
  readonly reason: string | undefined
  readonly wasReady: boolean
  /** Whether the primary killed it. */
  readonly wasKilled: boolean
  /** Whether the runtime reported that it had no heap left. */
  readonly hadNoHeap: boolean
  /** Why it was taken out of service before it ended; undefined when it was not. */
  readonly unfit: string | undefined
  /** How its last connection ended, when only the exit status could tell. */
  readonly lastStep: Step | undefined
  /** The id of the last connection that it claimed; 0 for none. */
  readonly claimed: number
  /** How long it had been ready, in milliseconds. */
  readonly readyForMs: number
}

/** How a process ended, in words. */
export function describeEnd({ code, signal, failure, reason, unfit }: WorkerEnd): string {
  if (failure !== undefined) return failure.message
  if (unfit !== undefined) return unfit
  if (reason !== undefined) return reason
  if (signal !== null) return `killed by ${signal}`
  return `exited with status ${code}`
}

/** The category under which its replacement is counted. */
export function restartCause(end: WorkerEnd): RestartCause {
  if (end.hadNoHeap) return 'out-of-memory'
  if (!end.wasReady) return 'not-ready'
  if (end.unfit !== undefined) return 'unfit'
  if (end.wasKilled) return 'hung'
  if (end.signal !== null) return 'signal'
  return end.code === 0 ? 'left' : 'exit'
}
