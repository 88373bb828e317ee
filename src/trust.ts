/**
 * Trust in what lies on the disk. Every path of a service (run directory, socket, lock, PID file, log, …) is checked
 * by whoever opens it: another user must not have been able to put it there, to change it, or to point it elsewhere.
 */
import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync } from 'node:fs'
import type { Stats } from 'node:fs'
import { dirname } from 'node:path'
import { codeOf, HelloserverError } from './errors.ts'

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants

/** The bits of a mode that let the group or others write. */
export const othersMayWrite = 0o022

/** Not from os.userInfo(), which throws for a user without an entry in /etc/passwd, as containers have them. */
export function ownUid(): number {
  return process.geteuid?.() ?? 0
}

/**
 * Opens a regular file of this user's, without following a link and without waiting for a FIFO's other end.
 *
 * @param what - the file's part in the service, for the error: "lock file"
 * @param flags - as of open(2)
 * @throws HelloserverError `BAD_CONFIG` for a file that is not this user's alone to write; errors of open(2) as they are
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

/** The text of a regular file of this user's. Throws as `openOwned` does. */
export function readOwned(what: string, path: string): string {
  const fd = openOwned(what, path, O_RDONLY)
  try {
    return readFileSync(fd, 'utf8')
  } finally {
    closeSync(fd)
  }
}

/**
 * Refuses what another user owns or may write.
 *
 * @throws HelloserverError `BAD_CONFIG`
 */
export function mustBeOwned(what: string, path: string, { uid, mode }: Stats): void {
  const self = ownUid()
  // For root, whoever owns the directory owns the service in it; whether root may use it is the run directory's matter.
  if (uid !== self && !(self === 0 && uid === lstatSync(dirname(path)).uid)) {
    throw untrusted(what, path, `belongs to user ${uid}, not to ${self}`)
  }
  if ((mode & othersMayWrite) !== 0) {
    throw untrusted(what, path, `can be written by others (mode ${(mode & 0o7777).toString(8)})`)
  }
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
  return new HelloserverError('BAD_CONFIG', `The ${what} "${path}" ${problem}; remove it`, {
    cause,
  })
}
