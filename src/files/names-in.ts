import { readdirSync } from 'node:fs'

/** The names in a folder; none when it is no folder that this user may read, which the caller reports in its words. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
