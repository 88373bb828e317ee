import { resolve } from 'node:path'

/** The environment variables of the contract; each overrides the configuration file. */
export const variables = {
  host: 'HELLOSERVER_HOST',
  port: 'HELLOSERVER_PORT',
  workers: 'HELLOSERVER_WORKERS',
  logLevel: 'HELLOSERVER_LOG_LEVEL',
  runDir: 'HELLOSERVER_RUN_DIR',
  config: 'HELLOSERVER_CONFIG',
  redisUrl: 'HELLOSERVER_REDIS_URL',
} as const

/** The part of the environment that helloserver reads; an empty variable counts as unset. */
export type Environment = Readonly<
  Partial<Record<(typeof variables)[keyof typeof variables], string>>
>

/** The variables that name a path: a daemon does not run in the directory of the person who set them. */
const paths = new Set<string>([variables.runDir, variables.config])

/** The service's variables as given to this process; relative paths are made absolute. */
export function ownEnvironment(): Environment {
  return serviceEnvironment(ambient)
}

/**
 * The service's variables as given to a process that runs in `folder`.
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

/**
 * The environment for a detached child: as the person set it, without what a supervisor or a parent Node.js
 * process left for its own child.
 *
 * pm2 copies its whole record of the app into the environment (`pm_id`, `status`, `unique_id`, …), all in lower
 * case; Node.js leaves `NODE_CHANNEL_FD` and `NODE_UNIQUE_ID`, which would make the child take itself for
 * somebody's worker.
 */
export function cleanEnvironment(own: Environment): Record<string, string> {
  const clean: Record<string, string> = {}
  for (const [key, value] of Object.entries(process.env)) {
    if (value !== undefined && !isLeftover(key)) clean[key] = value
  }
  for (const variable of Object.values(variables)) delete clean[variable]
  return Object.assign(clean, own)
}

const leftovers = new Set<string>([
  'NODE_CHANNEL_FD',
  'NODE_CHANNEL_SERIALIZATION_MODE',
  'NODE_UNIQUE_ID',
  'NODE_APP_INSTANCE',
  ...serviceManagerVariables,
])

function isLeftover(key: string): boolean {
  if (leftovers.has(key) || key.startsWith('PM2_') || key.startsWith('axm_')) return true
  // Only a process under pm2 has `pm_id`; the keys of its record are in lower case, as few other variables are.
  return process.env['pm_id'] !== undefined && pm2RecordKey.test(key)
}

const proxies = 'https?_proxy|ftp_proxy|all_proxy|no_proxy'
const pm2RecordKey = new RegExp(`^(?!(${proxies})$|npm_)[a-z][a-zA-Z0-9_]*$`)
