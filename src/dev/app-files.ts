import { createHash } from 'node:crypto'
import { type Dirent, existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type AppCode, isCode } from '../app/app-code.ts'

/** The files that an app depends on, by the state of the disk at one moment. */
export interface AppFiles {
  /** The folders in which these files are, or may appear. */
  readonly folders: ReadonlySet<string>
  /** A digest of each file's content, by its path. */
  readonly contents: ReadonlyMap<string, string>
}

/** Larger files are compared by size and time, so that a database is not read at each change. */
const maxReadBytes = 1_048_576

/** Packages, hidden files, and the files that editors and programs leave beside the edited ones. */
const ignored =
  /^(?:\..*|node_modules|4913|#.*#|.*~|.*\.(?:log|tmp|sw[a-z]|pid|lock|db|sqlite3?)(?:-\w+)?)$/

/**
 * The configuration, the app's code, and everything else in the folder of the configuration: an app may read files of
 * its own. Code in that folder counts only if the app imports it.
 *
 * @param config - the configuration file
 */
export function appFiles(config: string, code: AppCode): AppFiles {
  const folder = dirname(config)
  const inside = entriesIn(folder)
  const files = [...code.files, config, ...inside.files.filter((file) => !isCode(file))]
  const watched = [...files, ...code.missing].map((path) => nearestFolder(dirname(path)))
  return {
    folders: new Set([...watched, ...inside.folders]),
    contents: new Map(
      [...files, ...[...code.missing].filter((path) => existsSync(path))].map((file) => [
        file,
        contentOf(file),
      ]),
    ),
  }
}

/** The files that were changed, added or removed. */
export function changedFiles(
  before: AppFiles['contents'],
  now: AppFiles['contents'],
): readonly string[] {
  const all = new Set([...before.keys(), ...now.keys()])
  return [...all].filter((path) => before.get(path) !== now.get(path))
}

function entriesIn(folder: string): { folders: string[]; files: string[] } {
  const entries = entriesOf(folder)
  if (entries === undefined) return { folders: [], files: [] }
  const found = { folders: [folder], files: [] as string[] }
  for (const entry of entries) {
    if (ignored.test(entry.name)) continue
    const path = join(folder, entry.name)
    if (entry.isFile()) found.files.push(path)
    if (!entry.isDirectory()) continue
    const inside = entriesIn(path)
    found.folders.push(...inside.folders)
    found.files.push(...inside.files)
  }
  return found
}

function entriesOf(folder: string): Dirent[] | undefined {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch {
    // Gone, perhaps since its parent was read, or another user's: nothing in it can be compared.
    return undefined
  }
}

/** The nearest existing ancestor: it changes when a missing folder comes back. */
function nearestFolder(folder: string): string {
  let nearest = folder
  while (!existsSync(nearest)) nearest = dirname(nearest)
  return nearest
}

function contentOf(path: string): string {
  try {
    const { size, mtimeMs } = statSync(path)
    if (size > maxReadBytes) return `${size} ${mtimeMs}`
    return createHash('sha256').update(readFileSync(path)).digest('hex')
  } catch {
    // Gone, or unreadable: the service reports it if that matters.
    return 'none'
  }
}
