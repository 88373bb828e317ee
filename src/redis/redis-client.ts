import type { RedisOptions } from 'ioredis'
import { Cluster, Redis } from './ioredis.ts'
import type { RedisTarget } from './redis-target.ts'

/** The time limit of a command, in milliseconds. A holder must learn soon that a renewal did not succeed. */
export const commandTimeoutMs = 400

/** Spreads reconnections, so that the hosts of a fleet do not all come back at once; milliseconds. */
export const retryDelayMs = () => 50 + Math.random() * 50

/**
 * Commands neither wait in a queue nor are sent twice. By default, ioredis lets a command wait for ever for a paused
 * server, and resends by itself one whose answer was lost.
 */
const common = {
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  // Its failure could not be handled, and an unhandled rejection ends the process.
  autoResubscribe: false,
  // The name and version of ioredis need a right of their own, `client|setinfo`, which Redis knows since 7.2 only.
  disableClientInfo: true,
  // A login by HELLO, as the newer protocol has it, is itself forbidden under Redis 6.0 where the default user is off.
  protocol: 2,
  commandTimeout: commandTimeoutMs,
  socketTimeout: 500,
  connectTimeout: 500,
  noDelay: true,
  keepAlive: 10_000,
} as const satisfies RedisOptions

export type RedisClient = Redis | Cluster

/**
 * A client that reconnects until it is disconnected. It connects at once, and emits 'error' for each failure: its
 * owner must listen.
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
 * To learn of a failover, ioredis 6.0 keeps a client for each Sentinel, but listens to the failures of none: it
 * prints each with its stack. An unreachable Sentinel does not matter while the master can be reached, and is
 * reported elsewhere when the master cannot.
 */
function listenToSentinels(client: Redis): void {
  const { connector } = client as unknown as { connector: SentinelConnector }
  const connect = connector.connectToSentinel.bind(connector)
  connector.connectToSentinel = (...args) => connect(...args).on('error', () => {})
}

/** Internals that ioredis does not declare. */
interface SentinelConnector {
  connectToSentinel(...args: unknown[]): Redis
}

/**
 * While a node is down, ioredis 6.0 tries others for its subscriptions in a tight loop, and each time ends its
 * previous connection once more, which leaves another listener on that connection's socket. It keeps that connection
 * only to restore its subscriptions, which `RedisLink` renews by itself.
 */
function forgetSubscribers(client: Cluster): void {
  const { subscriber } = client as unknown as { subscriber?: object }
  if (subscriber === undefined) return
  Object.defineProperty(subscriber, 'lastActiveSubscriber', { get: () => undefined, set: () => {} })
}
