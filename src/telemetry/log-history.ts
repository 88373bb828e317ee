import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { rotatedName } from './log-file.ts'
import { LogPart, logIdOf, noId } from './log-part.ts'

/** The names of a log that was renamed or copied: "log.1", "log-20251126", "log.old"; compressed files are excluded. */
const keptName = /^[.-](?!cursor|old\.\d+$)[\w.-]*(?<!\.(?:gz|bz2|xz|zst|lz4))$/

/**
 * Opens the file that a log was in before it was cut or renamed, and all later ones, oldest first.
 *
 * @param id - of the file to find
 * @param offset - how far that file was read
 * @returns nothing when the file is not found
 */
export function partsSince(path: string, id: string, offset: number): LogPart[] {
  if (id === noId) return []
  const kept = keptOf(path)
  const first = kept.findIndex((file) => logIdOf(file) === id)
  if (first < 0) return []
  return kept.slice(first).flatMap((file, at) => LogPart.open(file, at === 0 ? offset : 0) ?? [])
}

/** The part before the last cut by the log's own writer, if there is one. */
export function partBefore(path: string): LogPart[] {
  const part = LogPart.open(rotatedName(path))
  return part === undefined ? [] : [part]
}

/** The earlier parts of a log that are kept beside it, oldest first. */
function keptOf(path: string): string[] {
  const folder = dirname(path)
  const name = basename(path)
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((other) => other.startsWith(name) && keptName.test(other.slice(name.length)))
    .map((other) => join(folder, other))
    .flatMap((file) => {
      const stats = statSync(file, { throwIfNoEntry: false })
      return stats?.isFile() ? [{ file, writtenAtMs: stats.mtimeMs }] : []
    })
    .toSorted((a, b) => a.writtenAtMs - b.writtenAtMs)
    .map(({ file }) => file)
}
