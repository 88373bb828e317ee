import { closeSync, fchownSync, openSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { withFile } from './file-error.ts'
import { identityOf } from './file-identity.ts'
import { putInPlace } from './put-in-place.ts'

/** The new content of a file, its name and its mode. */
export interface Replacement {
  /** The file's name in an error, such as "the PID file". */
  readonly what: string
  readonly text: string
  readonly mode: number
}

/**
 * Rewrites a file by a temporary file and a rename: no reader sees half of it, and no link is followed. What root
 * writes into a user's folder belongs to that user, who can replace it later.
 *
 * @returns the new file's identity
 * @throws a file error that names the path
 */
export function replaceFile(path: string, { what, text, mode }: Replacement): string | undefined {
  const temporary = `${path}.${process.pid}`
  rmSync(temporary, { force: true })
  try {
    withFile(`write ${what}`, path, () => writeOwned(temporary, text, mode))
    const identity = identityOf(temporary)
    putInPlace(temporary, path)
    return identity
  } catch (error) {
    // A full disk leaves an empty file, and a folder at the path leaves the new one beside it.
    rmSync(temporary, { force: true })
    throw error
  }
}

function writeOwned(path: string, text: string, mode: number): void {
  const fd = openSync(path, 'wx', mode)
  try {
    writeFileSync(fd, text)
    const { uid, gid } = statSync(dirname(path))
    // By the descriptor: the folder's owner may have put a link in the place of the new file.
    if (process.geteuid?.() === 0 && uid !== 0) fchownSync(fd, uid, gid)
  } finally {
    closeSync(fd)
  }
}
