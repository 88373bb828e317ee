import { readFileSync, realpathSync, statSync } from 'node:fs'
import { createRequire, isBuiltin } from 'node:module'
import { dirname, extname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The code of an app: its module and all that this imports from the project, directly or indirectly. */
export interface AppCode {
  /** Absolute paths, without links. */
  readonly files: ReadonlySet<string>
  /** Imported paths that do not exist; they may lack an extension. */
  readonly missing: ReadonlySet<string>
}

const code = /\.[cm]?[jt]s$/

/** Whether a path names a module that Node.js can load, directly or compiled. */
export function isCode(path: string): boolean {
  return code.test(path)
}

/**
 * An import of any form whose specifier is a text. A comment or a text may look like one: then, if its
 * file exists, one file too many is watched.
 */
const importPattern = /\b(?:from|import|require)\s*\(?\s*(['"])([^'"\n]+)\1/g

/** The endings that `require` tries: extensions, and the index files of a folder. */
const endings = ['', '.js', '.json', '.cjs', '.ts', '/index.js', '/index.cjs']

/**
 * Finds an app's code by reading its imports. Node.js itself has no list of the modules that it has loaded, and the
 * list is needed most when the app cannot be loaded.
 *
 * @param module - the app's module, an absolute path
 */
export function appCode(module: string): AppCode {
  const files = new Set<string>()
  const missing = new Set<string>()
  const visit = (path: string) => {
    if (files.has(path)) return
    files.add(path)
    if (!isCode(path)) return
    for (const specifier of specifiersIn(path)) {
      const found = resolved(specifier, path)
      if (found === undefined) continue
      if (found.isThere) visit(found.path)
      else missing.add(found.path)
    }
  }
  const found = realFile(module)
  if (found === undefined) missing.add(module)
  else visit(found)
  return { files, missing }
}

function specifiersIn(path: string): string[] {
  return [...textOf(path).matchAll(importPattern)].map(([, , specifier = '']) => specifier)
}

/** The line of a file that imports something with this base name; undefined when none does. */
export function lineOfImport(path: string, name: string): number | undefined {
  const at = textOf(path)
    .split('\n')
    .findIndex((line) => line.includes(name))
  return at < 0 ? undefined : at + 1
}

/** The text of a file; empty while an editor replaces it. */
export function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // Its next change is seen.
    return ''
  }
}

interface Resolved {
  readonly path: string
  readonly isThere: boolean
}

/** A file of the project; undefined for Node's own modules and for packages. */
function resolved(specifier: string, importer: string): Resolved | undefined {
  if (isBuiltin(specifier)) return undefined
  const path = pathOf(specifier, importer)
  if (path !== undefined) {
    for (const ending of endings) {
      const found = realFile(`${path}${ending}`)
      if (found !== undefined) return { path: found, isThere: true }
    }
    return { path, isThere: false }
  }
  try {
    // A package of the same workspace is a link to its folder.
    const inPackage = realpathSync(createRequire(importer).resolve(specifier))
    const isForeign = inPackage.includes('/node_modules/')
    return isForeign ? undefined : { path: inPackage, isThere: true }
  } catch {
    // A package that is not installed, or only has exports for `import`.
    return undefined
  }
}

/** The path that a specifier stands for; undefined when it names a package. */
function pathOf(specifier: string, importer: string): string | undefined {
  if (specifier.startsWith('file:')) return fileURLToPath(specifier)
  if (!/^\.{0,2}\//.test(specifier)) return undefined
  const path = resolve(dirname(importer), specifier)
  // Modules may be imported with a query.
  return extname(path).includes('?') ? path.slice(0, path.lastIndexOf('?')) : path
}

/**
 * The file at a path, without links. Undefined when there is none, or none that this user may reach. Files come and go
 * while this looks, and a part of the path may be a file itself.
 */
function realFile(path: string): string | undefined {
  try {
    const real = realpathSync(path)
    return statSync(real).isFile() ? real : undefined
  } catch {
    // Whatever the reason: Node.js could not load it either, and says why.
    return undefined
  }
}
