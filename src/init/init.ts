import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { print } from '../cli/output.ts'
import { isAppFile, stripsTypes } from '../config/app-module.ts'
import { appsFolderOf, configFileName } from '../config/project.ts'
import { mustBeName } from '../config/service-name.ts'
import { codeOf, HelloserverError } from '../errors.ts'
import { fileError } from '../files/file-error.ts'
import { parseJson } from '../files/json-file.ts'
import { namesIn } from '../files/names-in.ts'
import { askForName } from './ask-for-name.ts'
import { dependencies } from './dependencies.ts'
import { type PackageChange, updatePackageFile } from './package-file.ts'
import { type Project, packageSettings, projectFiles } from './template.ts'

/** The choices of the person who runs `init`. */
export interface InitOptions {
  /** The project's folder [the working directory]. */
  readonly folder: string
  /** The name of the app [that of the folder]. */
  readonly name?: string
  /** Asks nothing. */
  readonly yes: boolean
  readonly json: boolean
}

/**
 * Creates a project with one app, or adds an app to a project. Existing files stay as they are, except that missing
 * scripts and dependencies are added to package.json.
 *
 * @throws HelloserverError `BAD_CONFIG` for an unusable name or package.json, or a folder that cannot be written
 */
export async function init({ folder, name: chosen, yes, json }: InitOptions): Promise<void> {
  const root = resolve(folder)
  const isAsking = !yes && chosen === undefined && process.stdin.isTTY && process.stdout.isTTY
  const name = chosen ?? (isAsking ? await askForName(nameFor(root)) : nameFor(root))
  mustBeName(name)
  makeFolder(root)
  const language = stripsTypes() ? 'ts' : 'js'
  const packages = dependencies(root)
  const change = updatePackageFile(root, (isModule) =>
    packageSettings({ name, language, isModule }, packages),
  )
  const project: Project = {
    name,
    language,
    isModule: change.isModule,
    appFolder: relative(root, join(appsFolderOf(root), name)),
  }
  const ownApp = appIn(join(root, project.appFolder))
  const written: string[] = []
  const left = ownApp === undefined ? [] : [join(project.appFolder, ownApp)]
  for (const [file, content] of Object.entries(projectFiles(project, ownApp !== undefined))) {
    const isNew = writeNew(join(root, file), content)
    ;(isNew ? written : left).push(file)
  }
  const result = { folder: root, name, written, left, package: change.summary }
  print({ name, json }, result, report(project, root, written, left, change))
}

/** The name of the app that a folder's own name suggests. */
function nameFor(root: string): string {
  const name = basename(root)
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/^[^a-z0-9]+|-+$/g, '')
    .slice(0, 64)
  return name === '' ? 'shout' : name
}

/** The app that a folder has already, relative to it: a second one would be in its way. */
function appIn(folder: string): string | undefined {
  return namesIn(folder).find(isAppFile) ?? mainIn(join(folder, configFileName))
}

/** The module that an existing configuration names. */
function mainIn(path: string): string | undefined {
  if (!existsSync(path)) return undefined
  try {
    const { main } = parseJson(path, readFileSync(path, 'utf8')) as { main?: unknown }
    return typeof main === 'string' ? main : undefined
  } catch (error) {
    throw error instanceof HelloserverError ? error : fileError('BAD_CONFIG', 'read', path, error)
  }
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true })
  } catch (error) {
    throw fileError('BAD_CONFIG', 'make the folder', path, error)
  }
}

/** Writes a file unless it exists; returns whether it did. */
function writeNew(path: string, content: string): boolean {
  makeFolder(dirname(path))
  try {
    writeFileSync(path, content, { flag: 'wx' })
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw fileError('BAD_CONFIG', 'write', path, error)
  }
}

function report(
  { name }: Project,
  root: string,
  written: readonly string[],
  left: readonly string[],
  { summary }: PackageChange,
): string[] {
  const otherEcosystem = left.find((file) => file.startsWith('ecosystem.'))
  const inside = relative(process.cwd(), root)
  return [
    `package.json: ${summary}`,
    ...written.map((file) => `${file}: written`),
    ...left.map((file) => `${file}: exists, left as it is`),
    ...(otherEcosystem === undefined
      ? []
      : [`To run "${name}" under pm2, add service('${name}') to ${otherEcosystem}`]),
    '',
    `Next: ${inside === '' ? '' : `cd ${inside} && `}npm install && npm start && npm test`,
  ]
}
