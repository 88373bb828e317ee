import { fstatSync, lstatSync } from 'node:fs'

/**
 * Identifies the file at a path or a descriptor by its device and inode, which no other file has while this
 * one is open. Links are not followed.
 *
 * @returns undefined for a path where nothing is, or where this user may not look
 */
export function identityOf(file: string | number): string | undefined {
  try {
    const { dev, ino } =
      typeof file === 'number'
        ? fstatSync(file, { bigint: true })
        : lstatSync(file, { bigint: true })
    return `${dev}:${ino}`
  } catch {
    // A path that cannot be examined does not lead to a file that is known to exist.
    return undefined
  }
}
