import { renameSync, rmdirSync } from 'node:fs'
import { codeOf } from '../errors.ts'

/**
 * Renames a file to where people look for it, in place of what is there. An empty folder makes room too: it is what
 * container engines make of a path that they were to mount and did not find.
 */
export function putInPlace(temporary: string, path: string): void {
  try {
    renameSync(temporary, path)
  } catch (error) {
    if (codeOf(error) !== 'EISDIR') throw error
    rmdirSync(path)
    renameSync(temporary, path)
  }
}
