import { Cluster, Redis, type RedisOptions } from 'ioredis'
import type { RedisTarget } from './target.ts'

/** How long a command may take, in milliseconds. The lease must know soon that one did not succeed. */
export const commandTimeoutMs = 400

/** Spreads reconnections, so that a fleet does not come back all at once; milliseconds. */
export const retryDelayMs = () => 50 + Math.random() * 50

/**
 * Nothing waits and nothing is sent twice: with ioredis's defaults a command waits for ever for a server that is
 * paused, and one whose answer was lost is sent again by itself.
 */
const common = {
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  // Nobody would hear of its failure, and what nobody hears of ends the process.
  autoResubscribe: false,
  commandTimeout: commandTimeoutMs,
  socketTimeout: 500,
  connectTimeout: 500,
  noDelay: true,
  keepAlive: 10_000,
} as const satisfies RedisOptions

export type RedisClient = Redis | Cluster

/**
 * A client that reconnects for as long as it is not disconnected. It connects at once, and emits 'error' for each
 * failure: its owner must listen.
 */
export function createClient(target: RedisTarget, connectionName: string): RedisClient {
  const { username, password } = target
  const options = {
    ...common,
    connectionName,
    retryStrategy: retryDelayMs,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
  }
  const { tls } = target
  if (target.kind === 'cluster') {
    const { retryStrategy: _, enableOfflineQueue, ...redisOptions } = options
    return new Cluster([...target.nodes], {
      enableOfflineQueue,
      clusterRetryStrategy: retryDelayMs,
      retryDelayOnFailover: 50,
      retryDelayOnClusterDown: 50,
      maxRedirections: 3,
      slotsRefreshTimeout: commandTimeoutMs,
      slotsRefreshInterval: 5_000,
      redisOptions: { ...redisOptions, ...(tls ? { tls: {} } : {}) },
    })
  }
  const { db } = target
  if (target.kind === 'single') {
    const { host, port } = target
    return new Redis({ ...options, host, port, db, ...(tls ? { tls: {} } : {}) })
  }
  const { sentinels, group, sentinelPassword } = target
  return new Redis({
    ...options,
    db,
    sentinels: [...sentinels],
    name: group,
    failoverDetector: true,
    sentinelCommandTimeout: commandTimeoutMs,
    sentinelRetryStrategy: retryDelayMs,
    ...(sentinelPassword === undefined ? {} : { sentinelPassword }),
    ...(tls ? { tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true } : {}),
  })
}
