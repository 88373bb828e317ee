import { randomUUID } from 'node:crypto'
import type { TestContext } from 'node:test'
import type { Change } from '../../src/fleet/fleet.ts'
import { SharedFleet, type SharedFleetOptions } from '../../src/fleet/shared-fleet.ts'
import { RedisLink } from '../../src/redis/link.ts'
import { RedisFleetStore } from '../../src/redis/redis-fleet-store.ts'
import { parseRedisUrl } from '../../src/redis/redis-target.ts'
import type { Status } from '../../src/status.ts'
import { keptLog, type LogLine } from '../unit/support/kept-log.ts'

export const service = 'test'

/** A host of a fleet without a service: the test sets its state. */
export class FleetHost {
  readonly fleet: SharedFleet
  readonly lines: LogLine[]
  readonly instance: string
  readonly #link: RedisLink
  #state: Status['state'] = 'serving'

  constructor(url: string, host: string, options: Partial<SharedFleetOptions> = {}) {
    const { log, lines } = keptLog()
    this.lines = lines
    this.instance = options.instance ?? randomUUID()
    this.#link = linkTo(url, host)
    this.fleet = new SharedFleet(new RedisFleetStore(this.#link, service), {
      host,
      instance: this.instance,
      maxDown: 1,
      returnMs: 10_000,
      log,
      ...options,
    })
  }

  /** Creates a host that has registered, and that is gone after the test. */
  static async join(
    t: TestContext,
    url: string,
    host: string,
    options: Partial<SharedFleetOptions> & { readonly state?: Status['state'] } = {},
  ): Promise<FleetHost> {
    const { state = 'serving', ...rest } = options
    const joined = new FleetHost(url, host, rest)
    t.after(() => joined.die())
    joined.#state = state
    // A busy machine may take longer than a start waits for Redis.
    await joined.#link.ready(60_000)
    await joined.fleet.join(() => joined.#status)
    if (state !== 'starting') joined.fleet.markReady(() => joined.#status)
    return joined
  }

  become(state: Status['state']): void {
    const hasStarted = this.#state !== 'starting'
    this.#state = state
    if (hasStarted) this.fleet.changed()
    else this.fleet.markReady(() => this.#status)
  }

  /** A reload of this host, in the order in which a service asks the fleet. */
  async deploy(change: Change, perform: () => Promise<void>): Promise<void> {
    await this.fleet.mayDeploy(change)
    try {
      await perform()
    } catch (error) {
      await this.fleet.notDeployed(change, error)
      throw error
    }
    await this.fleet.deployed(change)
  }

  /** Ends without a word. */
  die(): void {
    this.fleet.stop()
    this.#link.close()
  }

  /** Whether its log has a line of a level that matches `words`. */
  hasLogged(level: string, words: RegExp): boolean {
    return this.lines.some((line) => line['level'] === level && words.test(String(line['msg'])))
  }

  get #status(): Status {
    return {
      state: this.#state,
      build: 'b1',
      version: '1.0.0',
      pid: process.pid,
      workers: [{ state: 'busy' }, { state: 'idle' }],
      queue: { length: 0, max: 10 },
      listen: { host: '127.0.0.1', port: 1 },
      lease: null,
      lastReload: null,
    } as unknown as Status
  }
}

export function linkTo(url: string, name: string): RedisLink {
  return new RedisLink(parseRedisUrl(url, 'the test'), name)
}
