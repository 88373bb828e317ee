/** The open files of processes, as /proc shows them to their own user and to root. */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { ownUid } from '../files/trust.ts'

/** Whether a descriptor of a process has an exclusive lock of flock(2) (proc_pid_fdinfo(5)). */
export function hasExclusiveLock(pid: number, fd: string): boolean {
  try {
    return /^lock:\s*\d+: FLOCK\s+ADVISORY\s+WRITE/m.test(
      readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'latin1'),
    )
  } catch {
    // It has just been closed.
    return false
  }
}

/** All processes of this user; for root, all processes. None without /proc. */
export function ownProcesses(): number[] {
  const uid = ownUid()
  return entriesOf('/proc')
    .filter((entry) => /^\d+$/.test(entry) && (uid === 0 || uidOf(Number(entry)) === uid))
    .map(Number)
}

/** The user of a process; undefined when it has ended. */
export function uidOf(pid: number): number | undefined {
  return statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid
}

/** The descriptors of a process; none when it cannot be examined. */
export function descriptorsOf(pid: number): string[] {
  return entriesOf(`/proc/${pid}/fd`)
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    // The process has ended, or belongs to another user; or there is no /proc.
    return []
  }
}

/** The file that a descriptor of a process is open on. */
export function linkOf(pid: number, fd: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`)
  } catch {
    // It has just been closed.
    return undefined
  }
}
