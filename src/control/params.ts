import { logLevels } from '../config/log-levels.ts'
import { maxWorkers, minWorkers } from '../config/worker-count.ts'
import * as z from '../config/zod.ts'

const maxVariables = 1_000

/**
 * Variables as the system can pass them to a process: a name without "=", and no zero byte anywhere. Not a
 * schema of entries, which would report an error for each of many thousands.
 */
const environment = z.custom<Readonly<Record<string, string>>>(isEnvironment, {
  error: `an object with up to ${maxVariables} variables, each a text`,
})

function isEnvironment(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const entries = Object.entries(value)
  return (
    entries.length <= maxVariables &&
    entries.every(
      ([name, text]) =>
        /^[^=\0]{1,256}$/.test(name) && typeof text === 'string' && !text.includes('\0'),
    )
  )
}

/**
 * The control socket's requests: JSON-RPC 2.0, one message per line.
 *
 * Parameters are checked here, since any program that may open the socket may send anything.
 */
export const requestParams = {
  /** A caller's first request, which identifies the service. */
  hello: z.object({}).prefault({}),
  status: z.object({}).prefault({}),
  reload: z
    .object({
      cause: z.string().max(200).default('a reload command'),
      /** Replaces the environment that the service was started with; if absent, the running one stays. */
      environment: environment.exactOptional(),
      force: z.boolean().exactOptional(),
    })
    .prefault({}),
  /** Replaces the primary itself by `program`, a path; if absent, by the code that it was started from. */
  upgrade: z
    .object({
      cause: z.string().max(200).default('an upgrade command'),
      environment: environment.exactOptional(),
      program: z.string().startsWith('/').exactOptional(),
    })
    .prefault({}),
  /** `force`: do not wait for the fleet's permit. */
  stop: z.object({ force: z.boolean().default(false) }).prefault({}),
  fleet: z.object({}).prefault({}),
  'fleet-forget': z.object({ host: z.string().min(1).max(300), force: z.boolean().default(false) }),
  /** Without a build, clears all of them. */
  'fleet-clear': z
    .object({ build: z.string().min(1).max(100).nullable().default(null) })
    .prefault({}),
  scale: z.object({ workers: z.int().min(minWorkers).max(maxWorkers) }),
  /** Applies to the primary and its workers until the next reload. */
  'log-level': z.object({ level: z.enum(logLevels) }),
  /**
   * Sent by a supervisor's bridge, which from now on speaks for the supervisor. It supersedes an attached
   * bridge of the same `instance` (the supervisor replaces it); while one of another instance is attached, it
   * is refused with `SUPERVISED`.
   */
  attach: z.object({ pid: z.int().min(1), instance: z.int().min(0).default(0) }),
  /**
   * Sent by the attached bridge before it leaves because its supervisor restarts it: the next bridge has a new
   * primary take over, with `environment`. Since 0.2.
   */
  restarting: z
    .object({ environment: z.record(z.string(), z.string()).exactOptional() })
    .prefault({}),
} as const
