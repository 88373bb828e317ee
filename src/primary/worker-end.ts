import type { HelloserverError } from '../errors.ts'
import type { RestartCause } from '../status.ts'

/** How a worker process ended. */
export interface WorkerEnd {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** Why there was no process at all; undefined when there was one. */
  readonly failure: HelloserverError | undefined
  /** What the worker itself said went wrong, or why the primary killed it. */
  readonly reason: string | undefined
  readonly wasReady: boolean
  /** The primary has killed it. */
  readonly wasKilled: boolean
  /** The runtime said that it had no heap left. */
  readonly hadNoHeap: boolean
  /** The id of the last connection that it claimed; 0 for none. */
  readonly claimed: number
  /** How long it had been ready, in milliseconds. */
  readonly readyForMs: number
}

/** How a process ended, in words. */
export function describeEnd({ code, signal, failure, reason }: WorkerEnd): string {
  if (failure !== undefined) return failure.message
  if (reason !== undefined) return reason
  if (signal !== null) return `killed by ${signal}`
  return `exited with status ${code}`
}

/** Why another worker takes its place, as it is counted. */
export function restartCause(end: WorkerEnd): RestartCause {
  if (end.hadNoHeap) return 'out-of-memory'
  if (!end.wasReady) return 'not-ready'
  if (end.wasKilled) return 'hung'
  if (end.signal !== null) return 'signal'
  return end.code === 0 ? 'left' : 'exit'
}
