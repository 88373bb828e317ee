import { readFileSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { ownRoot } from '../config/locate.ts'
import { codeOf } from '../errors.ts'
import { parseJson } from '../files/json-file.ts'
import { realPath } from '../files/real-path.ts'

/** The packages of a new project, with their versions. */
export interface Dependencies {
  readonly helloserver: string
  readonly pm2: string
  readonly typescript: string
  readonly nodeTypes: string
}

interface PackageFile {
  readonly version?: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

/** The versions with which this helloserver is tested, and the source from which it was installed. */
export function dependencies(root: string): Dependencies {
  const own = packageFileIn(ownRoot) ?? {}
  const known = { ...own.peerDependencies, ...own.devDependencies, ...own.dependencies }
  return {
    helloserver: ownSource(root) ?? `^${own.version}`,
    pm2: known['pm2'] ?? '*',
    typescript: known['typescript'] ?? '*',
    nodeTypes: known['@types/node'] ?? '*',
  }
}

/** The local archive or folder from which helloserver was installed; undefined if it came from a registry. */
function ownSource(root: string): string | undefined {
  const folder = dirname(ownRoot)
  // A clone is its own source.
  if (basename(folder) !== 'node_modules') return local(root, ownRoot)
  const installation = dirname(folder)
  const installed = packageFileIn(installation)
  const source = { ...installed?.devDependencies, ...installed?.dependencies }['helloserver']
  const path = source === undefined ? undefined : /^(?:file:|(?=[./]))(.+)$/.exec(source)?.[1]
  return path === undefined ? undefined : local(root, resolve(installation, path))
}

function local(root: string, path: string): string {
  const way = relative(realPath(root), realPath(path))
  return `file:${way.startsWith('.') ? way : `./${way}`}`
}

function packageFileIn(folder: string): PackageFile | undefined {
  const path = join(folder, 'package.json')
  try {
    return parseJson(path, readFileSync(path, 'utf8')) as PackageFile
  } catch (error) {
    // A global installation belongs to no project.
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}
