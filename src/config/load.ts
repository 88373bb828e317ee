import { createHash } from 'node:crypto'
import { basename, dirname, join, resolve } from 'node:path'
import { hasFile } from '../endpoint.ts'
import { codeOf, HelloserverError, messageOf } from '../errors.ts'
import { fileError } from '../files/file-error.ts'
import { parseJson } from '../files/json-file.ts'
import { readText } from '../files/read-text.ts'
import { realPath } from '../files/real-path.ts'
import { firstFew } from '../first-few.ts'
import { type AdminSettings, adminSettings } from './admin-settings.ts'
import { appModuleIn } from './app-module.ts'
import { availableCpus } from './cpus.ts'
import { type Environment, variables } from './environment.ts'
import { type ListenSettings, listenProblems, listenSettings } from './listen.ts'
import { isNativeWanted } from './native-wish.ts'
import { overridable, overridesIn } from './overrides.ts'
import {
  appsFolderOf,
  configPathOf,
  noConfiguration,
  refuseOtherConfiguration,
  workingDirectory,
} from './project.ts'
import { redisTarget } from './redis.ts'
import { runFiles } from './run-dir.ts'
import { type ConfigFile, configSchema } from './schema.ts'
import { shownValue } from './shown-value.ts'
import type * as z from './zod.ts'

/** All settings, checked and frozen. */
export interface Config
  extends Omit<ConfigFile, '$schema' | 'workers' | 'host' | 'port' | 'listen'> {
  /** Where the service listens, in the order of the configuration; never empty. */
  readonly listen: readonly ListenSettings[]
  /** How many worker processes; "auto" is already a number here. */
  readonly workers: number
  /** The configuration file, and the directory that the app is resolved against. */
  readonly path: string
  readonly directory: string
  /** The app's module, an absolute path. */
  readonly appModule: string
}

/** How many wrong settings an error names. */
const maxProblems = 10

/** The configuration file of the service called `name`, which need not exist. */
export function configPath(name: string, environment: Environment): string {
  const configured = environment[variables.config]
  if (configured !== undefined) return resolve(configured)
  return configPathOf(name, appsFolderOf(workingDirectory()))
}

/**
 * Reads the configuration file, lets the environment override it, checks it and fills in the defaults.
 *
 * @param name - the service's name, which is also its app's unless the environment names a configuration
 * @throws HelloserverError `BAD_CONFIG`, naming the wrong keys, their values and the allowed values.
 */
export function loadConfig(name: string, environment: Environment): Config {
  const isShared = redisTarget(environment) !== undefined
  isNativeWanted(environment)
  const path = configPath(name, environment)
  const raw = overridden(readFile(path), environment)
  refuseOtherConfiguration(path)
  const parsed = configSchema.safeParse(raw)
  if (!parsed.success) {
    const problems = parsed.error.issues.flatMap((issue) => explain(issue, raw, environment))
    // A value that breaks two rules, such as an integer and a range, is the same problem twice.
    const different = firstFew([...new Set(problems)], maxProblems, '; ')
    throw new HelloserverError('BAD_CONFIG', `Bad configuration in ${path}: ${different}`)
  }
  if (!isShared) refuseUnshared(parsed.data, path)
  const { $schema: _, workers, host, port, listen: listed, ...settings } = parsed.data
  const listen = endpointsOf({ host, port, listen: listed }, raw, environment, path)
  const directory = dirname(path)
  refusePage(settings.admin, listen, directory, path)
  refuseControlSocket(name, listen, environment, path)
  return deepFreeze({
    ...settings,
    listen,
    workers: workers === 'auto' ? availableCpus() : workers,
    path,
    directory,
    appModule: appModuleIn(directory, settings.main),
  })
}

/** The settings of a loadable configuration that come from the environment, each in a sentence. */
export function overridesOf({ path }: Pick<Config, 'path'>, environment: Environment): string[] {
  return overridesIn(readFile(path), environment, path)
}

/** A digest of a whole configuration: equal exactly when no setting differs. */
export function configDigest(config: Config): string {
  return createHash('sha256').update(JSON.stringify(config)).digest('hex')
}

/** Refuses to run a service unshared that is configured to share its right to serve. */
function refuseUnshared({ lease }: ConfigFile, path: string): void {
  const { mode } = lease
  if (mode === undefined || mode === 'off') return
  throw new HelloserverError(
    'BAD_CONFIG',
    `Bad configuration in ${path}: lease.mode is "${mode}", which needs Redis; set ${variables.redisUrl}, or lease.mode to "off"`,
  )
}

/** Where to listen, by the list or its short form. */
function endpointsOf(
  { host, port, listen }: Pick<ConfigFile, 'host' | 'port' | 'listen'>,
  raw: Readonly<Record<string, unknown>>,
  environment: Environment,
  path: string,
): ListenSettings[] {
  if (listen === undefined) return [{ endpoint: { host, port } }]
  const refuse = (problem: string) =>
    new HelloserverError('BAD_CONFIG', `Bad configuration in ${path}: ${problem}`)
  const short = (['host', 'port'] as const).find((key) => raw[key] !== undefined)
  if (short !== undefined) {
    const [one, other] = [short, 'listen'].map((key) => labelOf(key, environment))
    throw refuse(`${one} and ${other} are both set; ${short} is the short form, so set only one`)
  }
  const problems = listenProblems(listen)
  if (problems.length > 0) throw refuse(firstFew(problems, maxProblems, '; '))
  return listen.map((one) => listenSettings(one, dirname(path)))
}

/** Refuses a page without its token, or on the service's port, before anything is changed. */
function refusePage(
  admin: ConfigFile['admin'],
  listen: readonly ListenSettings[],
  directory: string,
  path: string,
): void {
  const refuse = (problem: string, cause?: unknown) =>
    new HelloserverError('BAD_CONFIG', `Bad configuration in ${path}: ${problem}`, { cause })
  let settings: AdminSettings | undefined
  try {
    settings = adminSettings(admin, directory)
  } catch (error) {
    throw refuse(messageOf(error), error)
  }
  const { port } = settings?.address ?? {}
  const isShared = listen.some(({ endpoint }) => port !== undefined && endpoint.port === port)
  if (isShared)
    throw refuse(
      `admin.http and the service both have port ${port}; give the page a port of its own`,
    )
}

/** Refuses the socket of the service's own commands as an endpoint for clients. */
function refuseControlSocket(
  name: string,
  listen: readonly ListenSettings[],
  environment: Environment,
  path: string,
): void {
  const files = listen.map(({ endpoint }) => (hasFile(endpoint) ? endpoint.path : undefined))
  if (files.every((file) => file === undefined)) return
  const own = spelledOut(runFiles(name, environment).socketFile)
  const at = files.findIndex((file) => file !== undefined && spelledOut(file) === own)
  if (at < 0) return
  const label = labelOf(`listen.${at}`, environment)
  throw new HelloserverError(
    'BAD_CONFIG',
    `Bad configuration in ${path}: ${label} is "unix:${files[at]}", the service's own control socket; use another path`,
  )
}

/** The same path for every way that leads to a folder. */
const spelledOut = (file: string) => join(realPath(dirname(file)), basename(file))

function readFile(path: string): Record<string, unknown> {
  let text: string
  try {
    text = readText(path)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') {
      throw fileError('BAD_CONFIG', 'read the configuration file', path, error)
    }
    throw noConfiguration(path, error)
  }
  const value = parseJson(path, text)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new HelloserverError(
      'BAD_CONFIG',
      `${path} holds ${shownValue(value)}; it must be an object`,
    )
  }
  return value as Record<string, unknown>
}

/** The settings of a file, as the environment overrides them. A list takes the place of its short form, too. */
function overridden(
  file: Readonly<Record<string, unknown>>,
  environment: Environment,
): Record<string, unknown> {
  const given: Record<string, unknown> = { ...file }
  if (environment[variables.listen] !== undefined) {
    delete given['host']
    delete given['port']
  }
  for (const key of overridable) {
    const value = environment[variables[key]]
    if (value !== undefined) given[key] = valueOf(key, value)
  }
  return given
}

/** Numbers and lists arrive as text; any other text stays as it is, for the schema to judge. */
function valueOf(key: (typeof overridable)[number], text: string): unknown {
  if (key === 'listen') return text.split(',').map((one) => one.trim())
  return key !== 'host' && /^\d+$/.test(text) ? Number(text) : text
}

function explain(
  issue: z.core.$ZodIssue,
  raw: Record<string, unknown>,
  environment: Environment,
): string[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => `${[...issue.path, key].join('.')} is not a known key`)
  }
  const fitting = issue.code === 'invalid_union' ? fittingProblems(issue) : undefined
  if (fitting !== undefined) return fitting.flatMap((inner) => explain(inner, raw, environment))
  const label = labelOf(issue.path.join('.'), environment)
  const got = shownValue(valueAt(raw, issue.path))
  return [`${label} is ${got}; it must be ${issue.message}`]
}

/** The problems with the one alternative of a union that has the value's type, such as an object. */
function fittingProblems({
  path,
  errors,
}: z.core.$ZodIssueInvalidUnion): z.core.$ZodIssue[] | undefined {
  const isOther = ({ code, path: within }: z.core.$ZodIssue) =>
    within.length === 0 && (code === 'invalid_type' || code === 'invalid_value')
  const [problems, another] = errors.filter((alternative) => !alternative.some(isOther))
  if (problems === undefined || another !== undefined) return undefined
  return problems.map((inner) => nested(path, inner))
}

/** A problem with a part of the value at `path`. */
function nested(path: readonly PropertyKey[], inner: z.core.$ZodIssue): z.core.$ZodIssue {
  return { ...inner, path: [...path, ...inner.path] }
}

/** The name of a setting: that of its variable, if the environment has set it, and the part of a list. */
function labelOf(key: string, environment: Environment): string {
  const [setting = '', index] = key.split('.')
  const variable = isOverridable(setting) ? variables[setting] : undefined
  if (variable === undefined || environment[variable] === undefined) return key
  return index === undefined ? variable : `${variable}, part ${Number(index) + 1},`
}

function isOverridable(key: string): key is keyof typeof variables {
  return Object.hasOwn(variables, key)
}

function valueAt(raw: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key],
    raw,
  )
}

function deepFreeze<Value>(value: Value): Value {
  if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) deepFreeze(inner)
    Object.freeze(value)
  }
  return value
}
