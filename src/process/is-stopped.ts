import { processState } from './process-state.ts'

/**
 * How often to check for the stop. A process that another processor runs stops within microseconds; one that no processor
 * runs does nothing more before it stops.
 */
const checks = 100

/** Waits, for about a millisecond at the most, until a process that was sent SIGSTOP runs no more. */
export function waitUntilStopped(pid: number): void {
  for (let check = 0; check < checks && !isStopped(pid); check += 1);
}

/** Whether a process runs no more: it is stopped by a signal, or has ended. */
export function isStopped(pid: number): boolean {
  const state = processState(pid)
  return state === undefined || /[TtZX]/.test(state)
}
