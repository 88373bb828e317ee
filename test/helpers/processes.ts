import { readdirSync, readFileSync } from 'node:fs'
import { isRunning as isAlive } from '../../src/process/is-running.ts'
import { processState } from '../../src/process/process-state.ts'
import { waitFor } from './wait-for.ts'

export { isAlive }

/** Whether a process is paused by a signal; not when there is none. */
export function isStopped(pid: number): boolean {
  return processState(pid) === 'T'
}

/** The PIDs of all running processes that were started with `variable` in their environment. */
export function processesWith(variable: string): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && environmentOf(entry).includes(variable))
    .map(Number)
    .filter(isAlive)
}

/** Whether this process was started with `variable` in its environment. */
export function hasVariable(pid: number, variable: string): boolean {
  return environmentOf(String(pid)).includes(variable)
}

/**
 * Waits until no process that was started with `variable` in its environment is running. Looking at every process of
 * the machine is costly, so the search is repeated only when those that it found have ended.
 */
export async function endOfAll(what: string, variable: string): Promise<void> {
  let left: number[] = []
  await waitFor(`the end of ${what}`, () => {
    left = left.filter(isAlive)
    if (left.length === 0) left = processesWith(variable)
    return left.length === 0
  })
}

function environmentOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
  } catch {
    // The process has ended in the meantime, or belongs to another user.
    return []
  }
}

/** Sends a signal; returns false if the process no longer exists. */
export function signalTo(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal)
  } catch {
    // The process has ended in the meantime.
    return false
  }
}
