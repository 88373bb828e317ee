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
    const client = new Cluster([...target.nodes], {
      enableOfflineQueue,
      clusterRetryStrategy: retryDelayMs,
      retryDelayOnFailover: 50,
      retryDelayOnClusterDown: 50,
      maxRedirections: 3,
      slotsRefreshTimeout: commandTimeoutMs,
      slotsRefreshInterval: 5_000,
      redisOptions: { ...redisOptions, ...(tls ? { tls: {} } : {}) },
    })
    forgetSubscribers(client)
    return client
  }
  const { db } = target
  if (target.kind === 'single') {
    const { host, port } = target
    return new Redis({ ...options, host, port, db, ...(tls ? { tls: {} } : {}) })
  }
  const { sentinels, group, sentinelPassword } = target
  const client = new Redis({
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
  listenToSentinels(client)
  return client
}

/**
 * To hear of a failover, ioredis 6.0 keeps a client for each Sentinel, and listens to the failures of none: it prints
 * each of them with its stack. That a Sentinel cannot be reached is no news while the master can be, and is told
 * otherwise when it cannot.
 */
function listenToSentinels(client: Redis): void {
  const { connector } = client as unknown as { connector: SentinelConnector }
  const connect = connector.connectToSentinel.bind(connector)
  connector.connectToSentinel = (...args) => connect(...args).on('error', () => {})
}

/** What ioredis does not declare. */
interface SentinelConnector {
  connectToSentinel(...args: unknown[]): Redis
}

/**
 * When a node is down, ioredis 6.0 tries others for its messages in a tight loop, and each time ends the connection
 * that it had before once more, which leaves one more listener at its socket. It remembers that one for what was
 * subscribed there; `RedisLink` subscribes anew by itself.
 */
function forgetSubscribers(client: Cluster): void {
  const { subscriber } = client as unknown as { subscriber?: object }
  if (subscriber === undefined) return
  Object.defineProperty(subscriber, 'lastActiveSubscriber', { get: () => undefined, set: () => {} })
}
