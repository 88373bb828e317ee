import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Cleanup } from '../cleanup.ts'
import { freePort } from '../free-port.ts'
import type { Host } from '../network.ts'
import { waitFor } from '../wait-for.ts'
import { type Address, redisCli } from './redis-cli.ts'
import { launch } from './redis-process.ts'
import { RedisServer } from './server.ts'
import { storeRelease } from './store-release.ts'

/** The master's name among the Sentinels. */
export const masterName = 'hs'

/**
 * The time limit for an election, in milliseconds: Sentinels that vote at the same moment vote for themselves, and
 * retry after some seconds.
 */
const electionsMs = 120_000

export interface SentinelOptions {
  /** How long a master must be silent before it is considered down, in milliseconds. */
  readonly downAfterMs?: number
  readonly replicas?: number
  /** The hosts that run one server and one Sentinel each, in turn; by default, all run on the loopback address. */
  readonly hosts?: readonly Host[]
}

/** A Redis master with replicas, and three Sentinels that monitor them. */
export class SentinelGroup {
  /** The original master, then its replicas. */
  readonly servers: readonly RedisServer[]
  readonly #sentinels: readonly Sentinel[]

  private constructor(servers: readonly RedisServer[], sentinels: readonly Sentinel[]) {
    this.servers = servers
    this.#sentinels = sentinels
  }

  /** Resolves when every Sentinel knows all the others. */
  static async start(t: Cleanup, options: SentinelOptions = {}): Promise<SentinelGroup> {
    const { downAfterMs = 500, replicas = 1, hosts = [] } = options
    const on = (index: number) => {
      const host = hosts[index % hosts.length]
      return host === undefined ? {} : { host }
    }
    const master = await RedisServer.start(t, on(0))
    const others = await Promise.all(
      Array.from({ length: replicas }, (_, index) =>
        RedisServer.start(t, { ...on(index + 1), replicaOf: master }),
      ),
    )
    await waitFor('replicas that are in step', () => isInStep(master, replicas))
    const sentinels = await Promise.all(
      [0, 1, 2].map((index) => Sentinel.start(t, master.address, downAfterMs, on(index).host)),
    )
    await waitFor('Sentinels that know each other', async () => {
      const views = await Promise.all(sentinels.map((one) => one.view()))
      return views.every(
        (view) =>
          view.get('num-slaves') === String(replicas) && view.get('num-other-sentinels') === '2',
      )
    })
    await Promise.all(sentinels.map((one) => one.lookAsUsual()))
    return new SentinelGroup([master, ...others], sentinels)
  }

  get addresses(): readonly Address[] {
    return this.#sentinels.map(({ address }) => address)
  }

  /** The server that most of the Sentinels consider the master; those on a busy machine may be late to say so. */
  master(): Promise<RedisServer> {
    return waitFor('a master of most Sentinels', () => this.#majority(), electionsMs)
  }

  /** Waits until the Sentinels agree on another master that accepts writes. */
  async promoted(former: RedisServer): Promise<RedisServer> {
    const another = async () => {
      const master = await this.#majority()
      if (master === undefined || master === former) return undefined
      return (await master.info('role')) === 'master' ? master : undefined
    }
    return waitFor('another master', another, electionsMs)
  }

  async #majority(): Promise<RedisServer | undefined> {
    const votes = await Promise.all(this.#sentinels.map((one) => one.masterPort()))
    return this.servers.find(
      ({ address }) => votes.filter((port) => port === address.port).length >= 2,
    )
  }
}

async function isInStep(master: RedisServer, replicas: number): Promise<boolean> {
  const states = await Promise.all(
    Array.from({ length: replicas }, (_, index) => master.info(`slave${index}`)),
  )
  return states.every((state) => state?.includes('state=online'))
}

/** A redis-sentinel process. */
class Sentinel {
  readonly address: Address
  readonly #host: Host | undefined

  private constructor(address: Address, host: Host | undefined) {
    this.address = address
    this.#host = host
  }

  static async start(
    t: Cleanup,
    master: Address,
    downAfterMs: number,
    host: Host | undefined,
  ): Promise<Sentinel> {
    const folder = mkdtempSync(join(tmpdir(), 'hs-sentinel-'))
    const address = { host: host?.address ?? '127.0.0.1', port: await freePort() }
    const file = join(folder, 'sentinel.conf')
    writeFileSync(file, settings(address, master, downAfterMs))
    const sentinel = new Sentinel(address, host)
    const running = await launch({
      program: 'redis-sentinel',
      args: [file],
      folder,
      host,
      isReady: async () => (await sentinel.command('PING').catch(() => '')) === 'PONG',
    })
    t.after(async () => {
      await running.kill()
      rmSync(folder, { recursive: true, force: true })
    })
    await sentinel.#look(100, 100)
    return sentinel
  }

  command(...words: string[]): Promise<string> {
    return redisCli(this.address, words, this.#host === undefined ? {} : this.#host)
  }

  /**
   * Restores the usual intervals: Sentinels that all look more often find a master down at the same moment, each
   * votes for itself, and none is elected.
   */
  async lookAsUsual(): Promise<void> {
    await this.#look(10_000, 2_000)
  }

  /**
   * Sets how often the Sentinel looks for replicas and for other Sentinels, in milliseconds, so that tests need not
   * wait; before Redis 7, they wait.
   */
  async #look(replicasMs: number, othersMs: number): Promise<void> {
    if (storeRelease() < 7) return
    await this.command('SENTINEL', 'DEBUG', 'info-period', String(replicasMs))
    await this.command('SENTINEL', 'DEBUG', 'publish-period', String(othersMs))
  }

  /** The Sentinel's data about the master, by name. */
  async view(): Promise<ReadonlyMap<string, string>> {
    const words = (await this.command('SENTINEL', 'MASTER', masterName)).split('\n')
    return new Map(
      words.flatMap((word, index) => (index % 2 === 0 ? [[word, words[index + 1] ?? '']] : [])),
    )
  }

  /** Undefined when the Sentinel does not answer. */
  async masterPort(): Promise<number | undefined> {
    const words = ['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', masterName]
    const answer = await this.command(...words).catch(() => undefined)
    return answer === undefined ? undefined : Number(answer.split('\n')[1])
  }
}

function settings({ host, port }: Address, master: Address, downAfterMs: number): string {
  return [
    `port ${port}`,
    `bind ${host === '127.0.0.1' ? host : `${host} 127.0.0.1`}`,
    'protected-mode no',
    `sentinel monitor ${masterName} ${master.host} ${master.port} 2`,
    `sentinel down-after-milliseconds ${masterName} ${downAfterMs}`,
    `sentinel failover-timeout ${masterName} 2000`,
    '',
  ].join('\n')
}
