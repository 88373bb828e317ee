import { type BigIntStats, readlinkSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { RunFiles } from '../config/run-dir.ts'
import { realPath } from '../real-path.ts'
import { ownUid, readOwned } from '../trust.ts'
import { abstractLockInode } from './abstract-lock.ts'
import { descriptorsOf, hasExclusiveLock, linkOf, ownProcesses, uidOf } from './descriptors.ts'

/** The files that tell who a service's primary is. */
export type LockFiles = Pick<RunFiles, 'runDir' | 'lockFile' | 'pidFile'>

/**
 * The process, other than this one, that holds the lock, looked up in /proc: first the one that the lock file names, then any other of this
 * user's. Undefined when there is none that this process can see: one in another PID namespace, where the same number
 * is another process, cannot be found this way, and must not be signalled.
 */
export function holderOf(files: LockFiles): number | undefined {
  const holds = lockTest(files)
  const named = lockFilePid(files)
  const candidates = named === undefined ? ownProcesses() : [named, ...ownProcesses()]
  return candidates.find((pid) => pid !== process.pid && holds(pid))
}

/** Whether a process holds the lock of the service: only then may a signal for the service be sent to it. */
export function holdsLock(pid: number, files: LockFiles): boolean {
  return lockTest(files)(pid)
}

/** Whether a descriptor of this process is the locked lock file. */
export function holdsLockFileAt(fd: number, files: LockFiles): boolean {
  return isLockFile(lockFileOf(files), process.pid, String(fd))
}

/** The number on the lock file's first line, which is there for people, and proves nothing. */
export function lockFilePid({ lockFile }: LockFiles): number | undefined {
  try {
    return pidIn(readOwned('lock file', lockFile))
  } catch {
    // A file that is missing, or that somebody else put there, names nobody.
    return undefined
  }
}

/** The PID on the first line of a text, if there is one. */
export function pidIn(text: string): number | undefined {
  const pid = Number.parseInt(text, 10)
  return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined
}

/** Whether a process, which may see other mounts, means the same directory by the service's run directory. */
export function sharesRunDir(pid: number, { runDir }: Pick<RunFiles, 'runDir'>): boolean {
  try {
    if (readlinkSync(`/proc/${pid}/ns/mnt`) === readlinkSync('/proc/self/ns/mnt')) return true
    const [here, there] = [runDir, `/proc/${pid}/root${runDir}`].map((path) => statSync(path))
    return here?.dev === there?.dev && here?.ino === there?.ino
  } catch {
    // It has ended, or its view has no such directory.
    return false
  }
}

/** The lock file, as descriptors are compared with it. */
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

/** Tests processes for the lock: this release's on the lock file, or that of releases up to 0.1. */
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

/** Anybody may take an abstract name; the lock file only the user that the run directory belongs to, and root. */
function isOwnersProcess(pid: number, { runDir }: Pick<RunFiles, 'runDir'>): boolean {
  const owner = statSync(runDir, { throwIfNoEntry: false })?.uid
  return [owner, ownUid()].includes(uidOf(pid))
}

function isLockFile({ path, id, runDir }: LockFile, pid: number, fd: string): boolean {
  const link = linkOf(pid, fd)
  // By its name first: it spares a look at each connection. Another view of the mounts may have another path.
  if (link === undefined || basename(link).replace(deleted, '') !== basename(path)) return false
  const found = statSync(`/proc/${pid}/fd/${fd}`, { throwIfNoEntry: false, bigint: true })
  if (found === undefined || !hasExclusiveLock(pid, fd)) return false
  if (found.dev === id?.dev && found.ino === id.ino) return true
  // The file was taken away from under its holder, which puts it back within seconds.
  return deleted.test(link) && link.replace(deleted, '') === path && sharesRunDir(pid, { runDir })
}

/** How /proc marks the path of a file that has been removed (proc_pid_fd(5)). */
const deleted = / \(deleted\)$/
