import { HelloserverError } from '../errors.ts'
import { StoreError } from '../store-error.ts'
import type { Logger } from '../telemetry/logger.ts'
import { versionWarning } from '../versions.ts'
import type { RedisLink } from './link.ts'

/** How long a start waits for Redis before it proceeds without it, in milliseconds. */
const readyWithinMs = 2_000
/** The oldest version with everything that the scripts use; the documentation lists the tested ones. */
const oldestMajor = 6

/** Values of `redis_mode`, each with what to do when the URL expects another mode. */
const otherModes: Readonly<Record<string, string>> = {
  standalone: 'is not a cluster; use redis://',
  cluster: 'is part of a cluster; use redis+cluster://',
  sentinel: 'is a sentinel; use redis+sentinel://',
}

/**
 * Checks whether a Redis can be used.
 *
 * @throws HelloserverError `BAD_CONFIG` when it can never be used
 */
export async function probeRedis(link: RedisLink, log: Logger): Promise<void> {
  try {
    await link.ready(readyWithinMs)
    const server = await link.info('server')
    const version = server.get('redis_version') ?? 'unknown'
    if (Number.parseInt(version, 10) < oldestMajor) {
      throw refusal(
        `${link.description} is version ${version}; it must be ${oldestMajor}.0 or newer`,
      )
    }
    const mode = server.get('redis_mode')
    if (mode !== undefined && mode !== link.mode) {
      throw refusal(`${link.description} ${otherModes[mode] ?? `is in mode "${mode}"`}`)
    }
    const replication = await link.info('replication')
    if (replication.get('role') === 'slave') {
      throw refusal(
        `${link.description} is a read-only replica; name the master, or use redis+sentinel://`,
      )
    }
    log.info({ redis: link.description, version }, 'Sharing the lease through Redis')
    const valkey = server.get('valkey_version')
    const unsupported =
      valkey === undefined ? versionWarning('redis', version) : versionWarning('valkey', valkey)
    if (unsupported !== undefined) log.warn(unsupported)
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    if (error.isPermanent) throw refusal(error.message, error)
    log.warn({ reason: error.message }, 'Cannot use Redis yet; standing by until it can be used')
  }
}

function refusal(message: string, cause?: Error): HelloserverError {
  return new HelloserverError('BAD_CONFIG', message, { cause })
}
