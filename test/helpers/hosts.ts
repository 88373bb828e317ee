import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { Status } from '../../src/status.ts'
import { type Cleanup, Cleanups } from './cleanup.ts'
import { RedisServer } from './redis/server.ts'
import { Sandbox, type SandboxOptions, type Settings } from './sandbox.ts'
import { type Service, startIn } from './service.ts'
import { statusIn } from './service-in.ts'
import { waitFor } from './wait-for.ts'

/** Long enough for a busy machine to renew in time, and short enough for tests to wait until it runs out. */
export const ttlMs = 1_500

export interface HostsOptions extends SandboxOptions {
  readonly redis?: RedisServer
  /** The URL by which the hosts reach Redis, if it is not the server's own. */
  readonly url?: string
  readonly lease?: Settings
}

/** Several hosts of one service, each with a run directory of its own, and the Redis that they share. */
export class Hosts {
  readonly redis: RedisServer
  readonly #t: Cleanup
  readonly #options: HostsOptions

  private constructor(t: Cleanup, redis: RedisServer, options: HostsOptions) {
    this.#t = t
    this.redis = redis
    this.#options = options
  }

  static async of(t: TestContext, options: HostsOptions = {}): Promise<Hosts> {
    const hosts = new Cleanups()
    const redises = new Cleanups()
    // The hosts end first, while Redis is still there for an orderly stop.
    t.after(async () => {
      try {
        await hosts.run()
      } finally {
        await redises.run()
      }
    })
    const redis = options.redis ?? (await RedisServer.start(redises))
    await wasUsedBefore(redis)
    return new Hosts(hosts, redis, options)
  }

  /** Hosts whose Redis has no record yet, or does not run. */
  static ofNew(t: TestContext, redis: RedisServer, options: HostsOptions = {}): Hosts {
    return new Hosts(t, redis, options)
  }

  /** A sandbox for a host that is not running yet. */
  sandbox(name: string): Sandbox {
    const { config, lease, environment, url = this.redis.url, ...rest } = this.#options
    return new Sandbox(this.#t, {
      ...rest,
      config: { ...config, lease: { host: name, ttlMs, ...lease } },
      environment: { ...environment, HELLOSERVER_REDIS_URL: url },
    })
  }

  /** Starts a host and waits until it serves or stands by. */
  start(name: string): Promise<Service> {
    return startIn(this.sandbox(name))
  }
}

/** Makes a Redis look used: a Redis without records makes the first host wait; one with records does not. */
export async function wasUsedBefore(redis: RedisServer): Promise<void> {
  const epoch = (await redis.info('run_id')) ?? ''
  const record = ['state', 'free', 'token', '1', 'seq', '1', 'epoch', epoch, 'ttl', '1000']
  for (const key of ['lease', 'lease:2']) {
    await redis.command('HSET', `{hs:helloserver}:${key}`, ...record)
  }
}

/** Waits until a host is in `state`; resolves with its status then. */
export async function becomes(host: Service, state: Status['state']): Promise<Status> {
  return waitFor(`a host that is "${state}"`, async () => {
    const status = await statusIn(host.sandbox)
    return status.state === state ? status : undefined
  })
}

/** The token of a host's lease. */
export function tokenOf({ lease }: Status): number {
  assert.ok(lease?.held && lease.token !== null, 'it does not hold the lease')
  return lease.token
}
