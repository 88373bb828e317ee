import { resolve } from 'node:path'
import type { Environment } from '../config/environment.ts'
import { HelloserverError } from '../errors.ts'

/** The environment of the service, or the reason why the ecosystem file's node_args cannot reach it. */
export interface GivenEnvironment {
  readonly environment: Environment
  readonly problem: HelloserverError | undefined
}

/**
 * Passes on the ecosystem file's `node_args`, with which pm2 starts only the bridge: as NODE_OPTIONS, which reach
 * the primary and its workers.
 *
 * @param given - Node's own arguments of this process
 * @param folder - the base of relative paths in them
 */
export function withNodeArguments(
  environment: Environment,
  given: readonly string[] = process.execArgv,
  folder = process.cwd(),
): GivenEnvironment {
  if (given.length === 0) return { environment, problem: undefined }
  const refused = given.find((argument) => argument.startsWith('-') && !isAllowed(argument))
  if (refused !== undefined) {
    const problem = new HelloserverError(
      'BAD_CONFIG',
      `The ecosystem file's node_args has "${refused}", which Node.js accepts only on its own command line, so it cannot reach the workers; remove it, and set flags of V8 in the app with v8.setFlagsFromString`,
    )
    return { environment, problem }
  }
  const options = given.map((argument) => quoted(absolute(argument, folder)))
  const NODE_OPTIONS = [environment['NODE_OPTIONS'], ...options].filter(Boolean).join(' ')
  return { environment: { ...environment, NODE_OPTIONS }, problem: undefined }
}

function isAllowed(argument: string): boolean {
  return process.allowedNodeEnvironmentFlags.has(argument.split('=')[0] ?? '')
}

/** The service runs in another folder than the bridge. */
function absolute(argument: string, folder: string): string {
  const [, option = '', path] = /^(-[^=]*=)?(\.{1,2}\/.*)$/.exec(argument) ?? []
  return path === undefined ? argument : `${option}${resolve(folder, path)}`
}

/** As Node.js reads NODE_OPTIONS. */
function quoted(argument: string): string {
  return /[\s"\\]/.test(argument) ? `"${argument.replaceAll(/["\\]/g, '\\$&')}"` : argument
}
