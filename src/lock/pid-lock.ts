import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  ftruncateSync,
  openSync,
  statSync,
  writeSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { makeRunDir, type RunFiles } from '../config/run-dir.ts'
import { HelloserverError } from '../errors.ts'
import { withFile } from '../files/file-error.ts'
import { openOwned } from '../files/trust.ts'
import type { ListeningHandle } from '../ipc/socket-handle.ts'
import { AbstractLock } from './abstract-lock.ts'
import { flock } from './flock.ts'
import { holderOf, holdsLockFileAt, lockFilePid } from './holder.ts'

/** The lock file's descriptor in a successor: other children get another stdin, so none inherits it by accident. */
export const inheritedLockFd = 0

/**
 * `isLocked` holds the lock for an instant, and so may a starter that fails in the end. A starter that cannot
 * see the holder retries for this long.
 */
const contestedMs = 1_000
const firstRetryMs = 25

/**
 * The lock that makes a process the only primary of its service.
 *
 * It is an flock(2) on the lock file in the run directory, so it excludes exactly the processes that share the
 * directory, whatever their namespaces; another user cannot open the file. The kernel releases it when the last
 * process with the descriptor is gone. The file itself is never removed: a lock on a removed file would exclude
 * no other process.
 */
export class PidLock {
  readonly #files: RunFiles
  readonly #abstract: AbstractLock | undefined
  #fd: number | undefined
  /** Keeps systemd-tmpfiles out, which leaves locked directories alone. */
  #directoryFd: number | undefined
  #isReleased = false

  private constructor(files: RunFiles, abstract: AbstractLock | undefined, fd: number | undefined) {
    this.#files = files
    this.#abstract = abstract
    this.#fd = fd
  }

  /**
   * Takes the lock. The run directory must exist.
   *
   * @throws HelloserverError `ALREADY_RUNNING` with the holder's PID; `BOOT_FAILED` where files cannot be locked
   */
  static async take(files: RunFiles): Promise<PidLock> {
    if (process.platform !== 'linux') {
      throw new HelloserverError(
        'BOOT_FAILED',
        `helloserver needs Linux, whose kernel holds its PID lock; this is ${process.platform}`,
      )
    }
    // First, since it costs no process: most of many simultaneous starters end here.
    const abstract = await AbstractLock.take(files)
    if (abstract === undefined) mustBeFree(files)
    try {
      const lock = new PidLock(files, abstract, await lockedFile(files))
      lock.sign()
      await lock.#holdDirectory()
      return lock
    } catch (error) {
      abstract?.release()
      throw error
    }
  }

  /**
   * Keeps holding a lock that a predecessor has passed on: by inheritance or, from a release up to 0.1, as the
   * abstract socket alone; the lock file is free then.
   */
  static async adopt(files: RunFiles, handle: ListeningHandle | undefined): Promise<PidLock> {
    const abstract = handle === undefined ? undefined : await AbstractLock.adopt(handle)
    const isInherited = holdsLockFileAt(inheritedLockFd, files) || (await canLockInherited(files))
    // If another process has the lock file, such as the predecessor's predecessor, `restore` takes it later.
    const fd = isInherited ? inheritedLockFd : await tryLockFile(files)
    const lock = new PidLock(files, abstract, fd)
    await lock.#holdDirectory()
    return lock
  }

  /** The descriptor that passes the lock on, as the stdin of its next holder. */
  get fd(): number | undefined {
    return this.#fd
  }

  /** The lock of releases up to 0.1; undefined while a stranger has its name. */
  get abstractHandle(): ListeningHandle | undefined {
    return this.#abstract?.handle
  }

  /** Gives the lock file to another user, who has to write to it from now on. */
  giveTo(uid: number, gid: number): void {
    if (this.#fd !== undefined) fchownSync(this.#fd, uid, gid)
  }

  /** Writes the holder's PID and host into the lock file, for people. */
  sign(): void {
    if (this.#fd === undefined) return
    const fd = this.#fd
    withFile('write the lock file', this.#files.lockFile, () => {
      ftruncateSync(fd)
      writeSync(fd, `${process.pid}\nhost ${hostname()}\n`, 0)
    })
  }

  /** Whether the locked file is the one at its path. */
  get isThere(): boolean {
    return this.#fd !== undefined && isAt(this.#fd, this.#files.lockFile)
  }

  /** Whether the run directory is locked against cleaners. */
  get isDirectoryHeld(): boolean {
    return this.#directoryFd !== undefined && isAt(this.#directoryFd, this.#files.runDir)
  }

  /**
   * Restores and relocks the run directory and the lock file if they were removed; does nothing while
   * they are in place. One call at a time.
   *
   * @returns whether anything was restored
   * @throws HelloserverError `ALREADY_RUNNING` when another process holds the lock at the path by now
   */
  async restore(): Promise<boolean> {
    if (this.isThere && this.isDirectoryHeld) return false
    makeRunDir(this.#files)
    if (!this.isThere) {
      const fd = await lockedFile(this.#files)
      // Another process has become the service in the meantime, and restores what is missing.
      if (this.#isReleased) {
        closeSync(fd)
        return false
      }
      close(this.#fd)
      this.#fd = fd
      this.sign()
    }
    if (!this.isDirectoryHeld) await this.#holdDirectory()
    return true
  }

  /** Gives up this process's hold; synchronous, and safe to call twice. */
  release(): void {
    this.#isReleased = true
    close(this.#fd)
    close(this.#directoryFd)
    this.#fd = undefined
    this.#directoryFd = undefined
    this.#abstract?.release()
  }

  /** Shared, since several services may use one directory. */
  async #holdDirectory(): Promise<void> {
    const fd = openSync(this.#files.runDir, constants.O_RDONLY | constants.O_DIRECTORY)
    let isLocked = false
    try {
      // A cleaner that is going through the directory excludes this lock; `restore` tries again.
      isLocked = (await flock(fd, 'shared')) && !this.#isReleased
    } finally {
      if (!isLocked) closeSync(fd)
    }
    if (!isLocked) return
    close(this.#directoryFd)
    this.#directoryFd = fd
  }
}

/** Locks the lock file; retries for a while if it cannot see the holder. */
async function lockedFile(files: RunFiles): Promise<number> {
  const untilMs = performance.now() + contestedMs
  // The delays double, since each search for the holder goes through all processes of the machine.
  for (let retryMs = firstRetryMs; ; retryMs *= 2) {
    const fd = await tryLockFile(files)
    if (fd !== undefined) return fd
    mustBeFree(files)
    if (performance.now() > untilMs) throw alreadyRunning(undefined, files)
    await delay(retryMs)
  }
}

/** Opens and locks the lock file; undefined when another process has the lock. */
async function tryLockFile({ lockFile }: RunFiles): Promise<number | undefined> {
  const fd = openOwned('lock file', lockFile, constants.O_RDWR | constants.O_CREAT)
  try {
    // Any user that can read the file can lock it.
    fchmodSync(fd, 0o600)
    // The file may have been replaced after it was opened; then this lock excludes no other process.
    if ((await flock(fd, 'exclusive')) && isAt(fd, lockFile)) return fd
  } catch (error) {
    closeSync(fd)
    throw error
  }
  closeSync(fd)
  return undefined
}

/** Without /proc, whether a descriptor has the lock can be seen only by taking it again. */
async function canLockInherited({ lockFile }: RunFiles): Promise<boolean> {
  return isAt(inheritedLockFd, lockFile) && (await flock(inheritedLockFd, 'exclusive'))
}

function mustBeFree(files: RunFiles): void {
  const holder = holderOf(files)
  if (holder !== undefined) throw alreadyRunning(holder, files)
}

/** @param holder - undefined if it cannot be seen from here, as in another container */
function alreadyRunning(holder: number | undefined, files: RunFiles): HelloserverError {
  if (holder !== undefined) {
    return new HelloserverError('ALREADY_RUNNING', `Already running as process ${holder}`)
  }
  const named = lockFilePid(files)
  const who = named === undefined ? '' : ` (there with the PID ${named})`
  return new HelloserverError(
    'ALREADY_RUNNING',
    `Already running: a process that is not visible here, such as one in another container${who}, holds ${files.lockFile}`,
  )
}

/** Whether an open file or directory is the one at a path. */
function isAt(fd: number, path: string): boolean {
  const [open, found] = [fstatSync(fd), statSync(path, { throwIfNoEntry: false })]
  return open.dev === found?.dev && open.ino === found.ino
}

function close(fd: number | undefined): void {
  if (fd === undefined) return
  closeSync(fd)
  // libuv never closes a handle with the number of a standard descriptor, so no client's socket may get this
  // one.
  if (fd === inheritedLockFd) openSync('/dev/null', constants.O_RDONLY)
}
