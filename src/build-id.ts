import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ownRoot } from './config/locate.ts'

const ownCode = dirname(fileURLToPath(import.meta.url))

/** The package's version. */
export const version: string = (
  JSON.parse(readFileSync(join(ownRoot, 'package.json'), 'utf8')) as { version: string }
).version

/** A digest of helloserver's own code on disk, without any app. */
export function programId(): string {
  return digest([ownCode])
}

/**
 * A digest of the code on disk: helloserver's own and the app's folder. Two runs of the same code have the
 * same one, whatever the files' dates say.
 *
 * @param appModule - the app's compiled module, an absolute path
 * @param program - the primary's module in another copy of helloserver, whose code counts instead of its own
 * @returns twelve hexadecimal digits
 */
export function buildId(appModule: string, program?: string): string {
  const code = program === undefined ? ownCode : dirname(dirname(program))
  return digest([code, dirname(appModule)])
}

function digest(folders: readonly string[]): string {
  const hash = createHash('sha256')
  for (const folder of folders) {
    for (const file of compiledFiles(folder)) {
      hash
        .update(file)
        .update('\0')
        .update(readFileSync(join(folder, file)))
        .update('\0')
    }
  }
  return hash.digest('hex').slice(0, 12)
}

/** Paths inside `folder`, sorted, so that the digest does not depend on the order that the disk has. */
function compiledFiles(folder: string): string[] {
  return filesIn(folder, '', new Set())
    .filter((file) => /\.[cm]?js$/.test(file))
    .toSorted()
}

/** Links are followed as the module loader does; `seen` ends one that leads back to where it is. */
function filesIn(folder: string, inside: string, seen: Set<string>): string[] {
  const real = realpathSync(join(folder, inside))
  if (seen.has(real)) return []
  seen.add(real)
  return readdirSync(real)
    .toSorted()
    .filter((name) => name !== 'node_modules')
    .flatMap((name) => {
      const file = join(inside, name)
      const kind = kindOf(join(folder, file))
      if (kind === 'folder') return filesIn(folder, file, seen)
      return kind === 'file' ? [file] : []
    })
}

function kindOf(path: string): 'file' | 'folder' | 'other' {
  try {
    const found = statSync(path)
    if (found.isDirectory()) return 'folder'
    return found.isFile() ? 'file' : 'other'
  } catch {
    // A link to nothing or in a circle: no code can be loaded from it.
    return 'other'
  }
}
