import { accessSync } from 'node:fs'
import { ownEnvironment, useConfig, variables } from '../config/environment.ts'
import { type Example, examplePath } from '../config/examples.ts'
import { defaultName } from '../config/locate.ts'
import {
  appNamesIn,
  appsFolderOf,
  located,
  noConfiguration,
  workingDirectory,
} from '../config/project.ts'
import { codeOf } from '../errors.ts'
import type { Options } from './options.ts'

/** The option of commands that begin with an app's configuration. */
export interface WithExample {
  /** Runs a bundled app. */
  readonly example?: Example
}

/**
 * The name of the service that a command is about when it is given none: that of the bundled app it runs, or of
 * the project's only app.
 */
export function usualName({ example }: WithExample): string {
  if (example !== undefined) return example
  if (ownEnvironment()[variables.config] !== undefined) return defaultName
  try {
    const [name, ...others] = appNamesIn(appsFolderOf(workingDirectory()))
    return name === undefined || others.length > 0 ? defaultName : name
  } catch {
    // A bad package.json is reported by the commands that need the app.
    return defaultName
  }
}

/**
 * Finds the configuration of the app that a command is to run, for this process and those that it starts.
 *
 * @throws HelloserverError `BAD_CONFIG` when there is none; nothing has been started or stopped by then
 */
export function locateApp({ name, example }: Options & WithExample): void {
  if (example !== undefined) useConfig(examplePath(example))
  const environment = ownEnvironment()
  const named = environment[variables.config]
  const path = named ?? located(environment, name, workingDirectory())[variables.config] ?? ''
  refuseMissing(path)
  useConfig(path)
}

/** Any other problem with the file is reported when it is read. */
function refuseMissing(path: string): void {
  try {
    accessSync(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') throw noConfiguration(path, error)
  }
}
