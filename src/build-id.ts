import { createHash, type Hash } from 'node:crypto'
import { type Dirent, readdirSync, readFileSync, realpathSync, type Stats, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ownRoot } from './config/locate.ts'

const ownCode = dirname(fileURLToPath(import.meta.url))

/** The package's version. */
export const version: string = (
  JSON.parse(readFileSync(join(ownRoot, 'package.json'), 'utf8')) as { version: string }
).version

/**
 * A digest of helloserver's own code on disk, without any app. Two copies of the same code have the same
 * digest, whatever the dates of their files.
 *
 * @param program - the primary's module in another copy of helloserver, which is digested instead of this one
 * @returns twelve hexadecimal digits
 */
export function programId(program?: string): string {
  return digest(program === undefined ? ownCode : dirname(dirname(program)))
}

let started: string | undefined

/** The digest of the code that this process was started from; call it before the code on disk is exchanged. */
export function ownProgramId(): string {
  started ??= programId()
  return started
}

/**
 * A digest of the code that workers run: helloserver's, and that in the app's folder.
 *
 * @param appModule - the app's compiled module, an absolute path
 * @param program - the digest of helloserver's code
 * @returns twelve hexadecimal digits
 */
export function buildId(appModule: string, program = programId()): string {
  return shortened(
    createHash('sha256')
      .update(program)
      .update(digest(dirname(appModule))),
  )
}

function digest(folder: string): string {
  const hash = createHash('sha256')
  for (const file of codeFiles(folder)) {
    hash
      .update(file)
      .update('\0')
      .update(readFileSync(join(folder, file)))
      .update('\0')
  }
  return shortened(hash)
}

function shortened(hash: Hash): string {
  return hash.digest('hex').slice(0, 12)
}

/** Paths inside `folder`, sorted, so that the digest does not depend on the disk's order. */
function codeFiles(folder: string): string[] {
  return filesIn(folder, '', new Set())
    .filter((file) => /(?<!\.d)\.([cm]?[jt]s|lua)$/.test(file))
    .toSorted()
}

/** Follows links as the module loader does; `seen` ends the search at a link that leads back to where it is. */
function filesIn(folder: string, inside: string, seen: Set<string>): string[] {
  const real = realpathSync(join(folder, inside))
  if (seen.has(real)) return []
  seen.add(real)
  return readdirSync(real, { withFileTypes: true })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .filter(({ name }) => name !== 'node_modules')
    .flatMap((entry) => {
      const file = join(inside, entry.name)
      const kind = entry.isSymbolicLink() ? kindBehind(join(folder, file)) : kindOf(entry)
      if (kind === 'folder') return filesIn(folder, file, seen)
      return kind === 'file' ? [file] : []
    })
}

type Kind = 'file' | 'folder' | 'other'

function kindOf(found: Dirent | Stats): Kind {
  if (found.isDirectory()) return 'folder'
  return found.isFile() ? 'file' : 'other'
}

function kindBehind(link: string): Kind {
  try {
    return kindOf(statSync(link))
  } catch {
    // A link to nothing or in a circle: no code can be loaded from it.
    return 'other'
  }
}
