/** How a worker process ended. */
export interface WorkerEnd {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** What the worker itself said went wrong, or why the primary killed it. */
  readonly reason: string | undefined
  readonly wasReady: boolean
  /** The id of the last connection that it claimed; 0 for none. */
  readonly claimed: number
  /** How long it had been ready, in milliseconds. */
  readonly readyForMs: number
}

/** How a process ended, in words. */
export function describeEnd({ code, signal, reason }: WorkerEnd): string {
  if (reason !== undefined) return reason
  if (signal !== null) return `killed by ${signal}`
  return `exited with status ${code}`
}
