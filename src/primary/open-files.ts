import { readFileSync } from 'node:fs'
import { maxAdminConnections } from '../config/admin.ts'
import type { Config } from '../config/load.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { QueueLimits } from './queue.ts'

/** What the primary keeps open beside queued connections: itself, and so much for each worker. */
const ownFiles = 64
const filesPerWorker = 8

/** The queue's limits as configured, as far as the system lets them be; says so when it does not. */
export function queueLimits({ queue, workers, admin }: Config, log: Logger): QueueLimits {
  const forPage = admin.http === false ? 0 : maxAdminConnections
  const max = affordableQueue(queue.max, workers, openFilesLimit() - forPage)
  if (max < queue.max) {
    log.warn(
      { wanted: queue.max, max },
      'Too few open files are allowed for queue.max; raise "ulimit -n" to have all of it',
    )
  }
  return { max, maxWaitMs: queue.maxWaitMs }
}

/**
 * How many connections can wait at the most: each takes a descriptor, and once there is none left the
 * runtime accepts and drops connections that nobody would ever have counted.
 *
 * @param wanted - `queue.max`
 * @param workers - how many there are
 * @param limit - how many files this process may have open for them
 */
export function affordableQueue(wanted: number, workers: number, limit = openFilesLimit()): number {
  // During a reload there are two generations.
  return Math.max(0, Math.min(wanted, limit - ownFiles - 2 * workers * filesPerWorker))
}

/** RLIMIT_NOFILE of this process (Node.js has raised it to the hard limit by now); infinite where it cannot be read. */
function openFilesLimit(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8')
    return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY)
  } catch {
    // Not Linux.
    return Number.POSITIVE_INFINITY
  }
}
