import { createHash, type Hash } from 'node:crypto'
import { type Dirent, readdirSync, readFileSync, realpathSync, type Stats, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { atOnce, type Steps } from './async/in-slices.ts'
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
 * @throws errors of stat(2) when that module does not exist
 */
export function programId(program?: string): string {
  return atOnce(programIdSteps(program))
}

/** `programId`, for a process that has other things to do meanwhile. */
export function programIdSteps(program?: string): Steps<string> {
  if (program === undefined) return digest(ownCode)
  // Above a program that does not exist, there may be anything, such as the root of all folders.
  statSync(program)
  return digest(dirname(dirname(program)))
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
  return atOnce(buildIdSteps(appModule, program))
}

/** `buildId`, for a process that has other things to do meanwhile: an app's folder may be large. */
export function* buildIdSteps(appModule: string, program: string): Steps<string> {
  const app = yield* digest(dirname(appModule))
  return shortened(createHash('sha256').update(program).update(app))
}

function* digest(folder: string): Steps<string> {
  const hash = createHash('sha256')
  const files: string[] = []
  for (const file of filesIn(folder, '', new Set())) {
    if (file !== undefined && isCode.test(file)) files.push(file)
    yield
  }
  // Sorted, so that the digest does not depend on the disk's order.
  for (const file of files.toSorted()) {
    hash
      .update(file)
      .update('\0')
      .update(contentOf(join(folder, file)))
      .update('\0')
    yield
  }
  return shortened(hash)
}

const isCode = /(?<!\.d)\.([cm]?[jt]s|lua)$/

/** Code that this user cannot read, or that was removed a moment ago, cannot be run either; it counts by its name. */
function contentOf(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch {
    return Buffer.alloc(0)
  }
}

function shortened(hash: Hash): string {
  return hash.digest('hex').slice(0, 12)
}

/**
 * Paths inside `folder`, with an `undefined` for everything else that is looked at. Follows links as the module
 * loader does; `seen` ends the search at a link that leads back to where it is.
 */
function* filesIn(
  folder: string,
  inside: string,
  seen: Set<string>,
): Generator<string | undefined, void> {
  for (const entry of entriesIn(folder, inside, seen)) {
    if (entry.name === 'node_modules') continue
    const file = join(inside, entry.name)
    const kind = entry.isSymbolicLink() ? kindBehind(join(folder, file)) : kindOf(entry)
    if (kind === 'folder') yield* filesIn(folder, file, seen)
    else yield kind === 'file' ? file : undefined
  }
}

/** The system's own views, which are large and never the same; an app may lie at the root of a container. */
const withoutCode: ReadonlySet<string> = new Set(['/dev', '/proc', '/sys'])

/** What is in a folder that was not seen before, by name; nothing in one of the inner ones that cannot be read. */
function entriesIn(folder: string, inside: string, seen: Set<string>): Dirent[] {
  try {
    const real = realpathSync(join(folder, inside))
    if (seen.has(real) || withoutCode.has(real)) return []
    seen.add(real)
    return readdirSync(real, { withFileTypes: true }).toSorted((a, b) => (a.name < b.name ? -1 : 1))
  } catch (error) {
    if (inside === '') throw error
    // Another user's (lost+found, a volume), or removed a moment ago: no code is loaded from there.
    return []
  }
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
