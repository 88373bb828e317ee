import { closeSync, constants } from 'node:fs'
import { codeOf } from '../errors.ts'
import { openOwned } from '../trust.ts'
import { flock } from './flock.ts'
import type { LockFiles } from './holder.ts'

/**
 * Whether any process holds the lock, also one that cannot be seen in /proc from here, as in another PID namespace.
 * It is asked by trying, so for an instant a starter may find the lock held; starters try again for that reason.
 */
export async function isLocked({ lockFile }: LockFiles): Promise<boolean> {
  let fd: number
  try {
    fd = openOwned('lock file', lockFile, constants.O_RDONLY)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
  try {
    return !(await flock(fd, 'shared'))
  } finally {
    closeSync(fd)
  }
}
