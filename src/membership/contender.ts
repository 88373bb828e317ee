import { createHash, randomUUID } from 'node:crypto'
import { readFileSync, readlinkSync, statSync } from 'node:fs'
import { hostname } from 'node:os'
import { type Environment, variables } from '../config/environment.ts'
import type { Config } from '../config/load.ts'
import type { RunFiles } from '../config/run-dir.ts'
import type { Contender } from '../lease/lease-store.ts'

/**
 * Determines this service's identity in the fleet.
 *
 * @param instance - inherited from the process that this one succeeds; a new one at the start of a service
 */
export function contenderOf(
  { runDir, pidFile }: RunFiles,
  environment: Environment,
  { lease }: Config,
  instance: string = randomUUID(),
): Contender {
  // With a run directory of its own, this host may be one of several on the same machine.
  const ownDir = environment[variables.runDir] === undefined ? '' : `:${runDir}`
  return {
    instance,
    host: lease.host ?? `${hostname()}${ownDir}`,
    lockId: lockIdOf(runDir, pidFile),
  }
}

/**
 * Identifies the PID locks of this service by what they depend on: this boot of the system, the run directory itself,
 * and, for the lock of releases up to 0.1, the network namespace and the path. A process that holds both locks knows
 * that every earlier holder with the same identifier is dead.
 */
function lockIdOf(runDir: string, pidFile: string): string {
  const boot = known(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim())
  const namespace = known(() => readlinkSync('/proc/self/ns/net'))
  const { dev, ino } = statSync(runDir, { bigint: true })
  return createHash('sha256')
    .update(`${boot}\n${namespace}\n${dev}:${ino}\n${pidFile}`)
    .digest('hex')
}

/** A value from /proc. Without /proc, one that no other process has: then an earlier holder's lease has to run out. */
function known(read: () => string): string {
  try {
    return read()
  } catch {
    return randomUUID()
  }
}
