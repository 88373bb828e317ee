import { readdirSync, readFileSync } from 'node:fs'
import { isRunning as isAlive } from '../../src/is-running.ts'

export { isAlive }

/** Whether a process is paused by a signal. */
export function isStopped(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat[stat.lastIndexOf(')') + 2] === 'T'
  } catch {
    // No such process.
    return false
  }
}

/** The PIDs of every running process that was started with `variable` in its environment. */
export function processesWith(variable: string): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && environmentOf(entry).includes(variable))
    .map(Number)
    .filter(isAlive)
}

function environmentOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
  } catch {
    // It ended meanwhile, or is somebody else's.
    return []
  }
}

/** Sends a signal; false when there is no such process any more. */
export function signalTo(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal)
  } catch {
    // It ended meanwhile.
    return false
  }
}
