import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { rotatedName } from './log-file.ts'
import { LogPart, logIdOf, noId } from './log-part.ts'

/** How a log is named when it was renamed or copied: "log.1", "log-20251126", "log.old"; not once it is compressed. */
const keptName = /^[.-](?!cursor|old\.\d+$)[\w.-]*(?<!\.(?:gz|bz2|xz|zst|lz4))$/

/**
 * Opens the file that a log was in before it was cut or renamed, and those that came after it, oldest first.
 *
 * @param id - of the file that is looked for
 * @param offset - how far that one was read
 * @returns nothing when that file is not found
 */
export function partsSince(path: string, id: string, offset: number): LogPart[] {
  if (id === noId) return []
  const kept = keptOf(path)
  const first = kept.findIndex((file) => logIdOf(file) === id)
  if (first < 0) return []
  return kept.slice(first).flatMap((file, at) => LogPart.open(file, at === 0 ? offset : 0) ?? [])
}

/** The part before the last cut of the log's own writer, if there is one. */
export function partBefore(path: string): LogPart[] {
  const part = LogPart.open(rotatedName(path))
  return part === undefined ? [] : [part]
}

/** What is kept of a log beside it, oldest first. */
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
