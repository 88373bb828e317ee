/**
 * Trust in files on disk. Every path of a service (run directory, socket, lock, PID file, log, …) is checked by
 * the code that opens it: another user must not have been able to put it there, to change it, or to point it
 * elsewhere.
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  type Stats,
  statSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { codeOf, HelloserverError } from '../errors.ts'
import { realPath } from './real-path.ts'

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants

/** The bits of a mode that let the group or others write. */
const othersMayWrite = 0o022
/** In a directory that every user may write to, such as /tmp, the sticky bit reserves a name for its owner. */
const everybodyMayWrite = 0o002
const isSticky = 0o1000

/** Not from os.userInfo(), which throws for a user without an entry in /etc/passwd, as in containers. */
export function ownUid(): number {
  return process.geteuid?.() ?? 0
}

/**
 * Opens a regular file of this user, without following a link and without waiting for the other end of a FIFO.
 *
 * @param what - the file's role in the service, for the error: "lock file"
 * @param flags - as for open(2)
 * @throws HelloserverError `BAD_CONFIG` for a file that others than this user may write to; errors of open(2)
 * unchanged
 */
export function openOwned(what: string, path: string, flags: number): number {
  const fd = openUnfollowed(what, path, flags)
  try {
    const stats = fstatSync(fd)
    if (!stats.isFile()) throw untrusted(what, path, 'is not a regular file')
    mustBeOwned(what, path, stats)
    return fd
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

/** The text of a regular file of this user. Throws as `openOwned` does. */
export function readOwned(what: string, path: string): string {
  const fd = openOwned(what, path, O_RDONLY)
  try {
    return readFileSync(fd, 'utf8')
  } finally {
    closeSync(fd)
  }
}

/**
 * Refuses a directory that another user owns, may write to, or may replace.
 *
 * @param isNamed - whether it was named as this service's: root may then use another user's, too
 * @throws HelloserverError `BAD_CONFIG`; errors of lstat(2) unchanged
 */
export function mustBeOwnDirectory(what: string, path: string, isNamed: boolean): void {
  const found = lstatSync(path)
  // A link's own mode means nothing, and a user who may write beside it can point it elsewhere.
  if (found.isSymbolicLink()) throw untrusted(what, path, 'is a symbolic link')
  if (!found.isDirectory()) throw untrusted(what, path, 'is not a directory')
  const self = ownUid()
  if (found.uid !== self && !(self === 0 && isNamed)) {
    throw untrusted(what, path, `belongs to user ${found.uid}, not to ${self}`)
  }
  // Sticky world-writable directories such as /tmp protect files, not names: anyone could plant one. And
  // members of the group could replace the control socket or the log.
  if ((found.mode & othersMayWrite) !== 0) throw untrusted(what, path, 'can be written by others')
  for (let above = dirname(realPath(path)); ; above = dirname(above)) {
    if (everybodyMayReplaceIn(above)) {
      throw untrusted(
        what,
        path,
        `can be replaced by any user, since every user may write to "${above}"`,
      )
    }
    if (above === dirname(above)) return
  }
}

/** Whether every user may replace what is in a folder. Throws errors of stat(2). */
export function everybodyMayReplaceIn(folder: string): boolean {
  const { mode } = statSync(folder)
  return (mode & everybodyMayWrite) !== 0 && (mode & isSticky) === 0
}

/**
 * Refuses a socket that another user may listen on, by the socket itself and by its directory. Call it before
 * connecting.
 *
 * @throws HelloserverError `BAD_CONFIG`; errors of lstat(2) unchanged
 */
export function mustBeOwnSocket(what: string, path: string): void {
  const found = lstatSync(path)
  // Whether root may use another user's directory was decided where it was named.
  mustBeOwnDirectory(`directory of the ${what}`, dirname(path), true)
  if (!found.isSocket()) throw untrusted(what, path, 'is not a socket')
  mustBeOwned(what, path, found)
}

/** Refuses a file that another user owns or may write to; for root, the directory's owner may own it, too. */
function mustBeOwned(what: string, path: string, { uid, mode, nlink }: Stats): void {
  const self = ownUid()
  // The folder's owner may have given a name here to a file of root's from elsewhere.
  if (self === 0 && nlink > 1) throw untrusted(what, path, 'has another name, a hard link')
  if (uid !== self && !(self === 0 && uid === lstatSync(dirname(path)).uid)) {
    throw untrusted(what, path, `belongs to user ${uid}, not to ${self}`)
  }
  if ((mode & othersMayWrite) !== 0) throw untrusted(what, path, 'can be written by others')
}

function openUnfollowed(what: string, path: string, flags: number): number {
  try {
    return openSync(path, flags | O_NOFOLLOW | O_NONBLOCK, 0o600)
  } catch (error) {
    if (codeOf(error) !== 'ELOOP') throw error
    throw untrusted(what, path, 'is a symbolic link, which is not followed', error)
  }
}

function untrusted(what: string, path: string, problem: string, cause?: unknown): HelloserverError {
  return new HelloserverError('BAD_CONFIG', `The ${what} "${path}" ${problem}`, { cause })
}
