import { readFileSync } from 'node:fs'

/**
 * How often to look for the stop. A process that another processor runs stops within microseconds; one that no processor
 * runs does nothing more before it stops.
 */
const looks = 100

/** Waits, for about a millisecond at the most, until a process that was sent SIGSTOP runs no more. */
export function waitUntilStopped(pid: number): void {
  for (let look = 0; look < looks && !isStopped(pid); look += 1);
}

/** Whether a process is stopped by a signal, or has ended; proc_pid_stat(5). */
export function isStopped(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return /[TtZX]/.test(stat[stat.lastIndexOf(')') + 2] ?? '')
  } catch {
    // It has ended, or this is not Linux.
    return true
  }
}
