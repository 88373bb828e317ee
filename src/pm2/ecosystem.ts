/** `helloserver/pm2`: entries of an ecosystem file. */
import { dirname, join, resolve } from 'node:path'
import { inspect } from 'node:util'
import { ambient, serviceEnvironment, variables } from '../config/environment.ts'
import { loadConfig } from '../config/load.ts'
import { ownRoot, packageRootOf } from '../config/locate.ts'
import { appsFolderOf, configPathOf, located, workingDirectory } from '../config/project.ts'
import { mustBeName } from '../config/service-name.ts'
import { HelloserverError, messageOf } from '../errors.ts'
import { realPath } from '../files/real-path.ts'
import { callerFile } from './caller-file.ts'
import { finalStatuses, type Timeouts, timeoutSettings, tooSmall } from './requirements.ts'

/** Environment variables, by their names. */
export type Variables = Readonly<Record<string, string | number | boolean>>

/** Settings of pm2 that have the same meaning for a service as for any app. */
const passedOn = [
  'namespace',
  'node_args',
  'interpreter_args',
  'uid',
  'gid',
  'filter_env',
  'watch',
  'ignore_watch',
  'watch_delay',
  'watch_options',
  'cron_restart',
  'autostart',
  'autorestart',
  'min_uptime',
  'max_restarts',
  'exp_backoff_restart_delay',
  'log_file',
  'out_file',
  'error_file',
  'log_type',
  'log_date_format',
  'merge_logs',
  'disable_logs',
  'time',
] as const

/** The changes to an entry; each may be left out. */
export interface ServiceOptions
  extends Readonly<Partial<Record<(typeof passedOn)[number], unknown>>> {
  /** Variables that override the configuration (`HELLOSERVER_PORT`, …), and those that the app itself reads. */
  readonly env?: Variables
  /** More variables, for `pm2 start --env NAME`. */
  readonly [env: `env_${string}`]: Variables
  /** The project's folder, relative to the ecosystem file [the project that has the ecosystem file]. */
  readonly cwd?: string
  /** The app that the service runs, by its folder's name [the service's name]. */
  readonly app?: string
  /** How long pm2 waits for a start or reload, in milliseconds [from the configuration]. */
  readonly listen_timeout?: number
  /** How long pm2 waits for a stop, in milliseconds [from the configuration]. */
  readonly kill_timeout?: number
}

/** An entry of an ecosystem file, as pm2 reads it. */
export interface Entry {
  readonly name: string
  readonly cwd: string
  readonly script: string
  readonly env: Variables
  readonly listen_timeout: number
  readonly kill_timeout: number
  readonly [setting: string]: unknown
}

/** The settings by which pm2 and the service understand each other, which no option changes. */
const fixed = {
  exec_mode: 'cluster',
  instances: 1,
  wait_ready: true,
  shutdown_with_message: true,
  treekill: false,
  stop_exit_codes: finalStatuses,
  pmx: false,
  vizion: false,
}

/** Settings that people may expect to have an effect, with what to use instead. */
const insteadOf: Readonly<Record<string, string>> = {
  instances: 'set "workers" in the configuration',
  max_memory_restart: 'set "recycle.maxRssMb" in the configuration',
  port: 'set "port" in the configuration, or HELLOSERVER_PORT in env',
  script: 'the service has its own; "app" names the app',
}

/** The default timeouts, unless a configuration that can be read needs longer ones, in milliseconds. */
const usualMs = { kill_timeout: 60_000, listen_timeout: 40_000 } as const

/** The time that pm2 allows beyond the minimum, in milliseconds: for a busy machine, or other hosts of a fleet. */
const spareMs = 10_000

type TimeoutSetting = keyof typeof timeoutSettings

/**
 * The entry of a service in an ecosystem file:
 *
 * ```js
 * import { service } from 'helloserver/pm2'
 * export const apps = [service('shout')]
 * ```
 *
 * The timeouts follow from the service's configuration. If that cannot be read, a warning tells why and the
 * entry has the usual ones: the file must still serve to stop the service.
 *
 * @param name - the name of the service, in pm2 as everywhere else
 * @throws HelloserverError `BAD_CONFIG` for an unusable name or option
 */
export function service(name: string, options: ServiceOptions = {}): Entry {
  mustBeName(name)
  refuseBadOptions(name, options)
  const { app, env: given = {}, cwd: folder, ...settings } = options
  const callers = dirname(callerFile(import.meta.url) ?? join(process.cwd(), 'none'))
  const cwd = folder === undefined ? byItsLink(packageRootOf(callers)) : resolve(callers, folder)
  const env =
    app === undefined
      ? given
      : { ...given, [variables.config]: configPathOf(app, appsFolderOf(cwd)) }
  const timeouts = timeoutsOf(name, env, cwd)
  return {
    name,
    cwd,
    script: join(byItsLink(ownRoot, cwd), 'dist/src/bin/bridge.cjs'),
    ...fixed,
    exp_backoff_restart_delay: 100,
    ...settings,
    listen_timeout: timeout('listen_timeout', name, options, timeouts),
    kill_timeout: timeout('kill_timeout', name, options, timeouts),
    env,
  }
}

function refuseBadOptions(name: string, options: ServiceOptions): void {
  // A program in JavaScript may pass anything.
  if (!isObject(options))
    throw bad(name, `its options are ${shown(options)}; they must be an object`)
  for (const [option, value] of Object.entries(options)) {
    if (option === 'env' || option.startsWith('env_')) refuseBadVariables(name, option, value)
    else if (option === 'cwd' || option === 'app') {
      if (typeof value !== 'string' || value === '') throw refused(name, option, value, 'a text')
    } else if (isTimeout(option)) {
      if (!Number.isInteger(value)) throw refused(name, option, value, 'a number of milliseconds')
    } else if (!(passedOn as readonly string[]).includes(option)) {
      const instead =
        insteadOf[option] ??
        `the options are env, cwd, app, listen_timeout, kill_timeout, ${passedOn.join(', ')}`
      throw bad(name, `${option} is not an option; ${instead}`)
    }
  }
}

function refuseBadVariables(name: string, option: string, value: unknown): void {
  if (!isObject(value)) throw refused(name, option, value, 'an object of variables')
  for (const [variable, content] of Object.entries(value)) {
    if (/^$|[=\0]/.test(variable)) {
      throw bad(name, `${option} has a variable ${shown(variable)}, which is not a name`)
    }
    if (!['string', 'number', 'boolean'].includes(typeof content)) {
      throw refused(name, `${option}.${variable}`, content, 'a text or a number')
    }
    if (String(content).includes('\0')) {
      throw bad(name, `${option}.${variable} has a zero byte, which no variable can have`)
    }
  }
}

function isTimeout(option: string): option is TimeoutSetting {
  return Object.hasOwn(timeoutSettings, option)
}

function refused(name: string, option: string, value: unknown, allowed: string): HelloserverError {
  return bad(name, `${option} is ${shown(value)}; it must be ${allowed}`)
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A value of any kind, in one line. */
function shown(value: unknown): string {
  return typeof value === 'string'
    ? JSON.stringify(value)
    : inspect(value, { breakLength: Infinity })
}

function bad(name: string, problem: string): HelloserverError {
  return new HelloserverError('BAD_CONFIG', `The ecosystem file's service "${name}": ${problem}`)
}

/** The durations in the configuration of the service as pm2 will run it; undefined when it cannot be read. */
function timeoutsOf(name: string, env: Variables, cwd: string): Timeouts | undefined {
  const valueOf = (variable: string) =>
    env[variable] === undefined ? ambient(variable) : String(env[variable])
  try {
    const environment = located(serviceEnvironment(valueOf, cwd), name, cwd)
    const { drain, reload } = loadConfig(name, environment)
    return {
      drainAnnounceMs: drain.announceMs,
      drainTimeoutMs: drain.timeoutMs,
      readyTimeoutMs: reload.readyTimeoutMs,
    }
  } catch (error) {
    process.emitWarning(bad(name, messageOf(error)).message)
    return undefined
  }
}

function timeout(
  setting: TimeoutSetting,
  name: string,
  { [setting]: given }: ServiceOptions,
  timeouts: Timeouts | undefined,
): number {
  if (timeouts === undefined) return given ?? usualMs[setting]
  const leastMs = timeoutSettings[setting].leastMs(timeouts)
  if (given === undefined) return Math.max(usualMs[setting], leastMs + spareMs)
  if (given < leastMs) throw bad(name, tooSmall('', setting, given, leastMs))
  return given
}

/**
 * The path to a folder through a link, such as `current`, if the working directory, a path on the command line or
 * `start` contains that link: pm2 keeps the path, and a later reload follows the link to its new target.
 *
 * @param folder - without links
 * @param start - the folder where the search begins; it goes on upwards, and in the packages that are installed there
 */
function byItsLink(folder: string, start?: string): string {
  const starts = start === undefined ? [workingDirectory(), ...foldersOnCommandLine()] : [start]
  return starts.flatMap(around).find((path) => realPath(path) === folder) ?? folder
}

/** The folders of the files that pm2's command line names. */
function foldersOnCommandLine(): string[] {
  return process.argv.slice(2).map((argument) => dirname(resolve(workingDirectory(), argument)))
}

function around(folder: string): string[] {
  const parent = dirname(folder)
  const here = [folder, join(folder, 'node_modules/helloserver')]
  return parent === folder ? here : [...here, ...around(parent)]
}
