import type { HelloserverError } from '../errors.ts'
import type { Step } from '../ipc/progress.ts'
import { defaultRespawnPolicy as policy } from '../lifecycle/respawn.ts'
import type { RestartCause } from '../status.ts'

/** How a process ended, as far as the process itself shows it. */
export interface ProcessExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** Why there was no process at all; undefined when there was one. */
  readonly failure: HelloserverError | undefined
  /** The worker's own report of what went wrong, or the primary's reason for killing it. */
  readonly reason: string | undefined
  readonly wasReady: boolean
  /** How long it had been ready, in milliseconds. */
  readonly readyForMs: number
  /** Whether the runtime reported that it had no heap left. */
  readonly hadNoHeap: boolean
  /** How its last connection ended, when only the exit status could tell. */
  readonly lastStep: Step | undefined
}

/** How a worker ended. */
export interface WorkerExit extends ProcessExit {
  /** Whether the primary killed it. */
  readonly wasKilled: boolean
  /** Why it was taken out of service before it ended; undefined when it was not. */
  readonly unfit: string | undefined
  /** The id of the last connection that it claimed; 0 for none. */
  readonly claimed: number
}

/** How a worker ended, in words. */
export function describeExit({ code, signal, failure, reason, unfit }: WorkerExit): string {
  if (failure !== undefined) return failure.message
  if (unfit !== undefined) return unfit
  if (reason !== undefined) return reason
  if (signal !== null) return `killed by ${signal}`
  return `exited with status ${code}`
}

/** The category under which its replacement is counted. */
export function restartCause(exit: WorkerExit): RestartCause {
  if (exit.hadNoHeap) return 'out-of-memory'
  if (!exit.wasReady) return 'not-ready'
  if (exit.unfit !== undefined) return 'unfit'
  if (exit.wasKilled) return 'hung'
  if (exit.signal !== null) return 'signal'
  return exit.code === 0 ? 'left' : 'exit'
}

/** The event to record for it; undefined if everything was reported when the worker was taken out of service. */
export function exitEvent({ failure, unfit }: WorkerExit, delayMs: number) {
  if (failure !== undefined) return 'worker-not-started'
  if (unfit !== undefined && delayMs === 0) return undefined
  return delayMs === 0 ? 'worker-died' : 'worker-backing-off'
}

/**
 * The failures in a row, this exit included. A worker that ran well for a while starts the count over; one that
 * leaves in good order sooner may do so again and again, so that counts as a failure too.
 */
export function failuresAfter(failures: number, { code, unfit, readyForMs }: WorkerExit): number {
  if (readyForMs < policy.stableAfterMs) return failures + 1
  return code === 0 && unfit === undefined ? 0 : 1
}
