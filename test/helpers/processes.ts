import { readdirSync, readFileSync } from 'node:fs'

/**
 * Whether a process runs; a zombie, which only waits to be reaped, does not (proc_pid_stat(5)). One whose first
 * thread has ended still does, with all its files, until the last has.
 */
export function isAlive(pid: number): boolean {
  const state = stateOf(pid)
  return state !== undefined && (state !== 'Z' || threadsOf(pid) > 1)
}

/** Whether a process is paused by a signal. */
export function isStopped(pid: number): boolean {
  return stateOf(pid) === 'T'
}

function stateOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat[stat.lastIndexOf(')') + 2]
  } catch {
    // No such process.
    return undefined
  }
}

function threadsOf(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/task`).length
  } catch {
    // It was reaped meanwhile.
    return 0
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
