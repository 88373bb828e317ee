import { existsSync, realpathSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { codeOf, HelloserverError } from '../errors.ts'
import { fileError } from '../files/file-error.ts'
import { parseJson } from '../files/json-file.ts'
import { namesIn } from '../files/names-in.ts'
import { readText } from '../files/read-text.ts'
import { firstFew } from '../first-few.ts'
import { isAppFile } from './app-module.ts'
import { ambient, type Environment, variables } from './environment.ts'
import { packageRootOf } from './locate.ts'
import { mustBeName } from './service-name.ts'

/** The configuration's file name in an app's folder. */
export const configFileName = 'config.json'

/**
 * The folder of the apps in the project that contains `folder`: `apps` beside the nearest package.json upwards,
 * or the folder that its `helloserver.apps` names. Without a package.json, `folder` itself is the project.
 *
 * @throws HelloserverError `BAD_CONFIG` when that package.json cannot be read, or its `helloserver.apps` is no path
 */
export function appsFolderOf(folder: string): string {
  const root = packageRootOf(folder)
  return resolve(root, appsSettingIn(join(root, 'package.json')) ?? 'apps')
}

/** How many names an error lists. */
const maxNamed = 8

/**
 * The path of an app's configuration, whether it exists or not.
 *
 * @throws HelloserverError `BAD_CONFIG` for an unusable name, such as one that leads out of the folder
 */
export function configPathOf(app: string, appsFolder: string): string {
  mustBeName(app, 'app')
  return join(appsFolder, app, configFileName)
}

/** The names of the apps in a folder of apps, sorted: its folders that have a configuration or an app file. */
export function appNamesIn(appsFolder: string): string[] {
  return namesIn(appsFolder)
    .filter((name) => namesIn(join(appsFolder, name)).some(isOfApp))
    .toSorted()
}

const isOfApp = (file: string) => file === configFileName || isAppFile(file)

/**
 * Completes the environment of a service with the configuration of its app, unless it names one. A daemon, which
 * has a working directory of its own, finds the app by that, as do its reloads and successors.
 *
 * @param name - the service's name, which is also that of its app
 * @param folder - a folder of the project
 * @throws HelloserverError `BAD_CONFIG`, as `appsFolderOf`
 */
export function located(environment: Environment, name: string, folder: string): Environment {
  if (environment[variables.config] !== undefined) return environment
  return { ...environment, [variables.config]: configPathOf(name, appsFolderOf(folder)) }
}

/**
 * This process's working directory, by the path that the person used: in a folder that a link such as `current`
 * leads to, a later reload is to follow the link again.
 *
 * @throws HelloserverError `BAD_CONFIG` when it has been removed, as a deploy removes old releases
 */
export function workingDirectory(): string {
  const cwd = currentFolder()
  const path = ambient('PWD')
  return path !== undefined && isSameFolder(path, cwd) ? path : cwd
}

/** The error of a service whose configuration does not exist; it names what there is. */
export function noConfiguration(path: string, cause?: unknown): HelloserverError {
  return new HelloserverError('BAD_CONFIG', whyMissing(path), { cause })
}

function whyMissing(path: string): string {
  const folder = dirname(path)
  if (basename(path) !== configFileName) {
    return `The configuration file ${path} does not exist; set ${variables.config} to one that does`
  }
  const files = namesIn(folder)
  const lookalike = files.find((file) => isOtherConfiguration(file))
  if (lookalike !== undefined) {
    return `${join(folder, lookalike)} is not read; the configuration must be JSON, in ${configFileName}`
  }
  if (files.some(isAppFile)) return `${path} does not exist; "{}" in it means the defaults`
  const [name, appsFolder] = [basename(folder), dirname(folder)]
  const others = appNamesIn(appsFolder)
  const has =
    others.length > 0
      ? `has ${firstFew(others, maxNamed)}`
      : existsSync(appsFolder)
        ? 'has no app'
        : 'does not exist'
  return `There is no app "${name}" in ${appsFolder}, which ${has}; "helloserver init --name ${name}" creates it in the working directory, and "--example echo" runs a bundled app`
}

/** Refuses a second configuration in an app's folder, which a person may take for the one that counts. */
export function refuseOtherConfiguration(path: string): void {
  const files = namesIn(dirname(path))
  const other = files.find((file) => isOtherConfiguration(file))
  if (other === undefined || basename(path) !== configFileName || !files.some(isAppFile)) return
  throw new HelloserverError(
    'BAD_CONFIG',
    `${dirname(path)} has two configurations, ${configFileName} and ${other}; only ${configFileName} is read, so remove the other`,
  )
}

/** Formats that people expect to work; a module such as config.ts is the app's own business. */
function isOtherConfiguration(file: string): boolean {
  return file !== configFileName && /^config\.(json|jsonc|json5|ya?ml|toml)$/i.test(file)
}

function appsSettingIn(packageFile: string): string | undefined {
  const text = readIfThere(packageFile)
  if (text === undefined) return undefined
  const value = parseJson(packageFile, text) as { helloserver?: unknown } | null
  const settings = value?.helloserver ?? {}
  const refuse = (problem: string) => new HelloserverError('BAD_CONFIG', `helloserver${problem}`)
  if (typeof settings !== 'object' || Array.isArray(settings)) {
    throw refuse(
      ` in ${packageFile} is ${JSON.stringify(settings)}; it must be an object, such as { "apps": "src/services" }`,
    )
  }
  const { apps, ...others } = settings as Readonly<Record<string, unknown>>
  const [other] = Object.keys(others)
  if (other !== undefined) {
    throw refuse(`.${other} in ${packageFile} is not a known key; the only one is helloserver.apps`)
  }
  if (apps === undefined) return undefined
  if (typeof apps === 'string' && apps !== '') return apps
  throw refuse(
    `.apps in ${packageFile} is ${JSON.stringify(apps)}; it must be the path of the folder of the apps`,
  )
}

function readIfThere(path: string): string | undefined {
  try {
    return readText(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw fileError('BAD_CONFIG', 'read', path, error)
  }
}

function currentFolder(): string {
  try {
    return process.cwd()
  } catch (error) {
    throw new HelloserverError(
      'BAD_CONFIG',
      'The working directory has been removed; change to one that exists',
      { cause: error },
    )
  }
}

function isSameFolder(path: string, cwd: string): boolean {
  try {
    return realpathSync(path) === realpathSync(cwd)
  } catch {
    // The variable is from another time or place.
    return false
  }
}
