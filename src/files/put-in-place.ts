import { renameSync, rmdirSync } from 'node:fs'
import { codeOf } from '../errors.ts'

/**
 * Renames a file to its public path, in place of what is there, even an empty folder: container engines create
 * one for a path that they were to mount and did not find.
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
