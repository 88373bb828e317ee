import { createHash } from 'node:crypto'
import { HelloserverError } from '../errors.ts'
import { type Environment, variables } from './environment.ts'
import type { Config } from './load.ts'
import { runFiles } from './run-dir.ts'

/** What cannot change under a running service, as text to compare. */
export type RestartOnly = Readonly<Record<string, string>>

/**
 * The settings with which a service would be another one: its lock, its control socket and its log are in the run
 * directory, and the fleet knows it by the rest.
 */
export function restartOnly(
  name: string,
  environment: Environment,
  { lease, fleet }: Config,
): RestartOnly {
  const url = environment[variables.redisUrl]
  return {
    [variables.runDir]: runFiles(name, environment).runDir,
    [variables.redisUrl]: url === undefined ? 'unset' : `another URL (${digest(url)})`,
    'lease.mode': lease.mode ?? 'its default',
    'lease.slots': String(lease.slots),
    'lease.ttlMs': String(lease.ttlMs),
    'lease.replicas': String(lease.replicas),
    'lease.host': lease.host ?? 'its default',
    'fleet.maxDown': String(fleet.maxDown),
  }
}

/**
 * Refuses settings with which a running service would be another one.
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

/** The first setting that is to change and cannot, and from what to what; undefined when there is none. */
export function restartOnlyChange(runs: RestartOnly, wanted: RestartOnly): string | undefined {
  for (const [key, value] of Object.entries(wanted)) {
    // What another release does not know, it cannot have set.
    if (runs[key] === value || runs[key] === undefined) continue
    return `${key} cannot change from ${runs[key]} to ${value}`
  }
  return undefined
}

/** The URL may have a password in it. */
function digest(url: string): string {
  return createHash('sha256').update(url).digest('hex').slice(0, 8)
}
