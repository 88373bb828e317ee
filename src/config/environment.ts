import { resolve } from 'node:path'
import { isOfPm2 } from './pm2-variables.ts'

/** The environment variables of the contract; each overrides the configuration file. */
export const variables = {
  host: 'HELLOSERVER_HOST',
  port: 'HELLOSERVER_PORT',
  listen: 'HELLOSERVER_LISTEN',
  workers: 'HELLOSERVER_WORKERS',
  logLevel: 'HELLOSERVER_LOG_LEVEL',
  runDir: 'HELLOSERVER_RUN_DIR',
  config: 'HELLOSERVER_CONFIG',
  redisUrl: 'HELLOSERVER_REDIS_URL',
  native: 'HELLOSERVER_NATIVE',
} as const

type OwnVariable = (typeof variables)[keyof typeof variables]

/**
 * The environment of a service: the variables that helloserver reads, of which an empty one counts as unset, and
 * all others, which are for the app. A process of the service is given this environment and nothing else.
 */
export type Environment = Readonly<Partial<Record<OwnVariable, string>> & Record<string, string>>

/** The variables that name a path: a daemon does not run in the directory of the person who set them. */
const paths = new Set<string>([variables.runDir, variables.config])

const own = new Set<string>(Object.values(variables))

/** The environment that this process was given for its service. */
export function ownEnvironment(): Environment {
  return environmentIn(process.env)
}

/**
 * The environment of a service in that of a process: as the person set it, without what pm2, a service manager or
 * a parent Node.js process left for that very process. Relative paths are made absolute.
 */
export function environmentIn(given: NodeJS.ProcessEnv): Environment {
  const picked: Record<string, string> = {}
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined || own.has(key) || leftovers.has(key) || isOfPm2(key, given)) continue
    picked[key] = value
  }
  return { ...picked, ...serviceEnvironment((variable) => given[variable]) }
}

/**
 * The variables that helloserver reads, as given to a process that runs in `folder`.
 *
 * @param valueOf - returns that process's value of a variable
 * @param folder - defaults to this process's own
 */
export function serviceEnvironment(
  valueOf: (variable: string) => string | undefined,
  folder = '.',
): Environment {
  const picked: Record<string, string> = {}
  for (const variable of Object.values(variables)) {
    const value = valueOf(variable)
    if (value === undefined || value === '') continue
    picked[variable] = paths.has(variable) ? resolve(folder, value) : value
  }
  return picked
}

/** Makes a configuration this process's own, as if the environment had named it. */
export function useConfig(path: string): void {
  process.env[variables.config] = path
}

/** Removes the URL of Redis, which may have a password in it, from the environment: workers run foreign code. */
export function hideRedisUrl(): void {
  delete process.env[variables.redisUrl]
}

/** A variable set by others than helloserver: for the XDG run directory, or by pm2 or a service manager. */
export function ambient(variable: string): string | undefined {
  const value = process.env[variable]
  return value === '' ? undefined : value
}

/** Variables that a service manager sets for the one process that it starts (sd_listen_fds(3), sd_notify(3)). */
const serviceManagerVariables = [
  'LISTEN_FDS',
  'LISTEN_PID',
  'LISTEN_FDNAMES',
  'NOTIFY_SOCKET',
] as const

export type ServiceManager = Readonly<
  Partial<Record<(typeof serviceManagerVariables)[number], string>>
>

/** Takes these variables out of the environment, so that no child of this process takes them for its own. */
export function takeServiceManager(): ServiceManager {
  const taken: Record<string, string> = {}
  for (const variable of serviceManagerVariables) {
    const value = ambient(variable)
    if (value !== undefined) taken[variable] = value
    delete process.env[variable]
  }
  return taken
}

/** Variables for one process alone; they would make a child take itself for another process's worker. */
const leftovers = new Set<string>([
  'NODE_CHANNEL_FD',
  'NODE_CHANNEL_SERIALIZATION_MODE',
  'NODE_UNIQUE_ID',
  'NODE_APP_INSTANCE',
  ...serviceManagerVariables,
])
