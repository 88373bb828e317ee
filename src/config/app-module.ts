import { readdirSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { codeOf, HelloserverError } from '../errors.ts'
import { fileError } from '../files/file-error.ts'

/** Whether a file in an app's folder is its module, by its name. */
export function isAppFile(file: string): boolean {
  return /^app\.[cm]?[jt]s$/.test(file)
}

/**
 * The module of an app: the file that `main` names, or else the one app file beside the configuration.
 *
 * @param folder - the folder of the configuration
 * @param main - a path relative to it
 * @throws HelloserverError `BAD_CONFIG` when there is none, or more than one, or this Node.js cannot run it
 */
export function appModuleIn(folder: string, main: string | undefined): string {
  const path = main === undefined ? onlyAppFile(folder) : mainFile(resolve(folder, main), folder)
  if (/\.[cm]?ts$/.test(path) && !stripsTypes()) throw cannotStrip(path)
  return path
}

/** Whether this Node.js runs TypeScript as it is: 22.18 and newer do, unless told not to. */
export function stripsTypes(): boolean {
  const { typescript } = process.features as { typescript?: false | 'strip' | 'transform' }
  return typescript === 'strip' || typescript === 'transform'
}

function onlyAppFile(folder: string): string {
  const files = filesIn(folder).filter(isAppFile).toSorted()
  const [file, other] = files
  if (file === undefined) {
    throw new HelloserverError(
      'BAD_CONFIG',
      `The folder ${folder} has no app.ts, app.js, app.mjs or app.cjs; "main" in its configuration can name another file`,
    )
  }
  if (other !== undefined) {
    throw new HelloserverError(
      'BAD_CONFIG',
      `The folder ${folder} has ${files.join(' and ')}; remove one, or name the one to run as "main" in the configuration`,
    )
  }
  return join(folder, file)
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    throw fileError('BAD_CONFIG', 'look for the app in', folder, error)
  }
}

function mainFile(path: string, folder: string): string {
  let problem = 'is not a file'
  try {
    if (statSync(path).isFile()) return path
  } catch (error) {
    const code = codeOf(error)
    if (code !== 'ENOENT' && code !== 'ENOTDIR')
      throw fileError('BAD_CONFIG', 'use the app', path, error)
    problem = 'does not exist; is it built?'
  }
  throw new HelloserverError(
    'BAD_CONFIG',
    `The app ${path}, which "main" in the configuration in ${folder} names, ${problem}`,
  )
}

function cannotStrip(path: string): HelloserverError {
  return new HelloserverError(
    'BAD_CONFIG',
    `Node.js ${process.versions.node} cannot run ${path} as it is; use Node.js 22.18 or newer, or compile it and name the compiled file as "main" in the configuration`,
  )
}
