import { createHash } from 'node:crypto'
import { HelloserverError } from '../errors.ts'
import { type Environment, variables } from './environment.ts'
import type { Config } from './load.ts'
import { runFiles } from './run-dir.ts'
import { restartOnlyPaths } from './schema.ts'

/** Settings that cannot change while the service runs, as text to compare. */
export type RestartOnly = Readonly<Record<string, string>>

/**
 * The settings that identify a service: its lock, its control socket and its log are in the run directory, the fleet
 * finds it by the URL of Redis, and other hosts know it by the settings that the schema registers as `restartOnly`.
 */
export function restartOnly(name: string, environment: Environment, config: Config): RestartOnly {
  const url = environment[variables.redisUrl]
  const settings = restartOnlyPaths.map((path) => [path.join('.'), textAt(config, path)] as const)
  return {
    [variables.runDir]: runFiles(name, environment).runDir,
    [variables.redisUrl]: url === undefined ? 'unset' : `another URL (${digest(url)})`,
    ...Object.fromEntries(settings),
  }
}

function textAt(config: Config, path: readonly string[]): string {
  const value = path.reduce<unknown>(
    (inner, key) => (inner as Readonly<Record<string, unknown>>)[key],
    config,
  )
  if (value === undefined) return 'its default'
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/**
 * Refuses to change the settings that identify a running service.
 *
 * @throws HelloserverError `RELOAD_FAILED`, naming the setting
 */
export function refuseRestartOnly(runs: RestartOnly, wanted: RestartOnly): void {
  const change = restartOnlyChange(runs, wanted)
  if (change === undefined) return
  throw new HelloserverError(
    'RELOAD_FAILED',
    `${change} in a reload or an upgrade; use "helloserver restart", or "pm2 restart" under pm2`,
  )
}

/** The first forbidden change of a setting, with its old and new values; undefined when there is none. */
export function restartOnlyChange(runs: RestartOnly, wanted: RestartOnly): string | undefined {
  for (const [key, value] of Object.entries(wanted)) {
    // A running release that does not know a setting cannot have set it.
    if (runs[key] === value || runs[key] === undefined) continue
    return `${key} cannot change from ${runs[key]} to ${value}`
  }
  return undefined
}

/** A digest, since the URL may contain a password. */
function digest(url: string): string {
  return createHash('sha256').update(url).digest('hex').slice(0, 8)
}
