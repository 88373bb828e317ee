import { fstatSync, lstatSync } from 'node:fs'

/**
 * Tells which file a path or a descriptor leads to: its device and inode, which no other file has for as long as
 * somebody has this one open. Links are not followed.
 *
 * @returns undefined for a path where nothing is, or where nobody may look
 */
export function identityOf(file: string | number): string | undefined {
  try {
    const { dev, ino } =
      typeof file === 'number'
        ? fstatSync(file, { bigint: true })
        : lstatSync(file, { bigint: true })
    return `${dev}:${ino}`
  } catch {
    // A path that cannot be looked at does not lead to a file that is known to be there.
    return undefined
  }
}
