import { type BigIntStats, readlinkSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { RunFiles } from '../config/run-dir.ts'
import { realPath } from '../files/real-path.ts'
import { ownUid, readOwned } from '../files/trust.ts'
import { abstractLockInode } from './abstract-lock.ts'
import { descriptorsOf, hasExclusiveLock, linkOf, ownProcesses, uidOf } from './descriptors.ts'

/** The files that identify a service's primary. */
export type LockFiles = Pick<RunFiles, 'runDir' | 'lockFile' | 'pidFile'>

/**
 * The process, other than this one, that holds the lock, looked up in /proc: first the one that the lock file
 * names, then any other of this user. Undefined when this process can see none: a holder in another PID
 * namespace, where the same number is another process, cannot be found this way, and must not be signalled.
 */
export function holderOf(files: LockFiles): number | undefined {
  const holds = lockTest(files)
  const named = lockFilePid(files)
  const candidates = named === undefined ? ownProcesses() : [named, ...ownProcesses()]
  return candidates.find((pid) => pid !== process.pid && holds(pid))
}

/** Whether a process holds the service's lock: only such a process may be signalled on behalf of the service. */
export function holdsLock(pid: number, files: LockFiles): boolean {
  return lockTest(files)(pid)
}

/** Whether a descriptor of this process is open on the lock file and has the lock. */
export function holdsLockFileAt(fd: number, files: LockFiles): boolean {
  return isLockFile(lockFileOf(files), process.pid, String(fd))
}

/** The PID on the lock file's first line, which is there for people and proves nothing. */
export function lockFilePid({ lockFile }: LockFiles): number | undefined {
  try {
    return pidIn(readOwned('lock file', lockFile))
  } catch {
    // A file that is missing, or that another user put there, names no process.
    return undefined
  }
}

/** The PID on the first line of a text, if there is one. */
export function pidIn(text: string): number | undefined {
  const pid = Number.parseInt(text, 10)
  return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined
}

/** Whether a process, which may see other mounts, has the same directory at the run directory's path. */
export function sharesRunDir(pid: number, { runDir }: Pick<RunFiles, 'runDir'>): boolean {
  try {
    if (readlinkSync(`/proc/${pid}/ns/mnt`) === readlinkSync('/proc/self/ns/mnt')) return true
    const [here, there] = [runDir, `/proc/${pid}/root${runDir}`].map((path) => statSync(path))
    return here?.dev === there?.dev && here?.ino === there?.ino
  } catch {
    // It has ended, or its mounts have no such directory.
    return false
  }
}

/** The lock file, in the form that descriptors are compared with. */
interface LockFile {
  readonly path: string
  /** Undefined while it is missing. */
  readonly id: FileId | undefined
  readonly runDir: string
}

type FileId = Pick<BigIntStats, 'dev' | 'ino'>

function lockFileOf({ runDir, lockFile }: LockFiles): LockFile {
  return {
    path: join(realPath(runDir), basename(lockFile)),
    id: statSync(lockFile, { throwIfNoEntry: false, bigint: true }),
    runDir,
  }
}

/** Returns a test for holders of the lock: this release's on the lock file, or that of releases up to 0.1. */
function lockTest(files: LockFiles): (pid: number) => boolean {
  const lockFile = lockFileOf(files)
  const inode = abstractLockInode(files)
  const abstract = inode === undefined ? undefined : `socket:[${inode}]`
  return (pid) =>
    descriptorsOf(pid).some((fd) => {
      if (abstract !== undefined && linkOf(pid, fd) === abstract) {
        return isOwnersProcess(pid, files) && sharesRunDir(pid, files)
      }
      return isLockFile(lockFile, pid, fd)
    })
}

/** Any user may take an abstract name, but only the run directory's owner and root may lock the lock file. */
function isOwnersProcess(pid: number, { runDir }: Pick<RunFiles, 'runDir'>): boolean {
  const owner = statSync(runDir, { throwIfNoEntry: false })?.uid
  return [owner, ownUid()].includes(uidOf(pid))
}

function isLockFile({ path, id, runDir }: LockFile, pid: number, fd: string): boolean {
  const link = linkOf(pid, fd)
  // The name comes first, which saves examining each connection. Another view of the mounts may have another
  // path.
  if (link === undefined || basename(link).replace(deleted, '') !== basename(path)) return false
  const found = statSync(`/proc/${pid}/fd/${fd}`, { throwIfNoEntry: false, bigint: true })
  if (found === undefined || !hasExclusiveLock(pid, fd)) return false
  if (found.dev === id?.dev && found.ino === id.ino) return true
  // The file was removed while it was locked; its holder restores it within seconds.
  return deleted.test(link) && link.replace(deleted, '') === path && sharesRunDir(pid, { runDir })
}

/** How /proc marks the path of a file that has been removed (proc_pid_fd(5)). */
const deleted = / \(deleted\)$/
