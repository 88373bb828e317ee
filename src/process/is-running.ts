import { readdirSync } from 'node:fs'
import { codeOf } from '../errors.ts'
import { processState } from './process-state.ts'

/**
 * Whether a process is running. A zombie, which has ended but was not waited for, is not: where the first process of a
 * container does not reap orphans, as pm2-runtime does not, a daemon stays such a zombie.
 */
export function isRunning(pid: number): boolean {
  // kill(2) takes these for groups of processes; pm2 lists 0 for a process that has ended.
  if (pid <= 0) return false
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (codeOf(error) !== 'EPERM') return false
  }
  return !isZombie(pid)
}

/** The state is the first thread's: as long as other threads remain, they hold the process's files. */
function isZombie(pid: number): boolean {
  if (processState(pid) !== 'Z') return false
  try {
    return readdirSync(`/proc/${pid}/task`).length === 1
  } catch {
    // It has just ended; the next check tells.
    return false
  }
}
