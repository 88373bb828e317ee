import { rmSync, writeFileSync } from 'node:fs'
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
 * Rewrites a file by a temporary file and a rename: no reader sees half of it, and no link is followed.
 *
 * @returns the new file's identity
 * @throws a file error that names the path
 */
export function replaceFile(path: string, { what, text, mode }: Replacement): string | undefined {
  const temporary = `${path}.${process.pid}`
  rmSync(temporary, { force: true })
  withFile(`write ${what}`, path, () => writeFileSync(temporary, text, { mode, flag: 'wx' }))
  const identity = identityOf(temporary)
  putInPlace(temporary, path)
  return identity
}
