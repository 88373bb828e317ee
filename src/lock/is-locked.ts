import { closeSync, constants } from 'node:fs'
import { codeOf } from '../errors.ts'
import { openOwned } from '../files/trust.ts'
import { flock } from './flock.ts'
import type { LockFiles } from './holder.ts'

/**
 * Whether any process holds the lock, including one that /proc does not show here, as in another PID namespace.
 * The check tries to take the lock, so a starter may find it held for an instant; starters retry for that
 * reason.
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
