import { createHash, randomUUID } from 'node:crypto'
import { readFileSync, readlinkSync, statSync } from 'node:fs'
import { hostname } from 'node:os'
import type { Config } from '../config/load.ts'
import { type Environment, variables } from '../config/environment.ts'
import type { RunFiles } from '../config/run-dir.ts'
import type { Contender } from './lease-store.ts'

/**
 * Who this service is in the fleet.
 *
 * @param instance - of the process that this one succeeds; a new one for a service that starts
 */
export function contenderOf(
  { runDir, pidFile }: RunFiles,
  environment: Environment,
  { lease }: Config,
  instance: string = randomUUID(),
): Contender {
  // With a run directory of its own, it may be one of several hosts on this machine.
  const ownDir = environment[variables.runDir] === undefined ? '' : `:${runDir}`
  return { instance, host: lease.host ?? `${hostname()}${ownDir}`, place: placeOf(runDir, pidFile) }
}

/**
 * Names what the PID locks are on: this boot of the system, the run directory itself, and, for the lock of releases up
 * to 0.1, the network namespace and the path. Whoever has both locks knows that everyone who had the same place before
 * is dead.
 */
function placeOf(runDir: string, pidFile: string): string {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  const namespace = readlinkSync('/proc/self/ns/net')
  const { dev, ino } = statSync(runDir, { bigint: true })
  return createHash('sha256')
    .update(`${boot}\n${namespace}\n${dev}:${ino}\n${pidFile}`)
    .digest('hex')
}
