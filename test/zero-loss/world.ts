import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { monotonicMs } from '../../src/clock.ts'
import { variables } from '../../src/config/environment.ts'
import { loadNative } from '../../src/native/native.ts'
import type { Status, WorkerStatus } from '../../src/status.ts'
import { Authority } from '../helpers/certificates.ts'
import type { Cleanup } from '../helpers/cleanup.ts'
import { Pm2 } from '../helpers/pm2.ts'
import { isAlive } from '../helpers/processes.ts'
import type { Settings } from '../helpers/sandbox.ts'
import { waitFor } from '../helpers/wait-for.ts'
import { appSource } from './app-source.ts'
import { Ledger } from './ledger.ts'
import { Crowd } from './load/crowd.ts'
import { LoadProcess } from './load/load-process.ts'
import type { Way } from './load/way.ts'

/** Workers, of which the load keeps about two busy. */
export const workerCount = 4

/** Of the two ways to hand connections off, the native one goes on while there is no primary. */
export const isNative = loadNative().module !== undefined && process.env[variables.native] !== 'off'

/** What the events provoke; any other error in a log fails the run. */
const provoked = [
  /could not get ready/,
  /failed to load/,
  /failed in setup/,
  /not ready within/,
  /Cannot read|it must be/,
  /The primary died; leaving it to pm2 to start the service again/,
]

/** What events act upon: a service under a pm2 of its own, with load on it. */
export class World {
  readonly pm2: Pm2
  readonly load: LoadProcess
  readonly ledger = new Ledger()
  /** All ways to reach the service. A handshake costs the machine about as much as a few connections without it. */
  readonly ways: readonly Way[]
  /** Decides everything that an event leaves to chance. */
  readonly random: () => number
  readonly #settings: Settings
  readonly #t: Cleanup
  readonly #crowdClients: number
  readonly #tcpPort: number

  /** @param crowdClients - how many come as a crowd; workers accept by themselves only where nobody comes by a Unix socket */
  constructor(
    t: Cleanup,
    ports: Readonly<Record<'tcp' | 'tls', number>>,
    random: () => number,
    crowdClients: number,
  ) {
    this.#t = t
    this.random = random
    this.#crowdClients = crowdClients
    this.#tcpPort = ports.tcp
    this.load = new LoadProcess(t, (connection) => this.ledger.settle(connection))
    this.pm2 = new Pm2(t, { app: appSource, allow: provoked })
    const path = join(this.pm2.sandbox.runDir, 'public.sock')
    const authority = new Authority(t)
    const { cert, key } = authority.sign('server', ['IP:127.0.0.1'])
    this.#settings = {
      listen: [
        `127.0.0.1:${ports.tcp}`,
        ...(crowdClients === 0 ? [`unix:${path}`] : []),
        { address: `127.0.0.1:${ports.tls}`, tls: { cert, key } },
      ],
      workers: workerCount,
      ...(isNative && { rescue: {} }),
      // A long connection comes near to its deadline, and must not miss it because the machine is busy.
      connection: { deadlineMs: 4_000 },
    }
    this.configure()
    const ca = readFileSync(authority.ca, 'utf8')
    this.ways = [
      { name: 'tcp', port: ports.tcp, weight: 3 },
      ...(crowdClients === 0 ? [{ name: 'unix', path, weight: 1 } as const] : []),
      { name: 'tls', port: ports.tls, ca, weight: 1 },
    ]
  }

  /** Writes the configuration that the run began with, changed. */
  configure(changes: Settings = {}): void {
    this.pm2.sandbox.configure({ ...this.#settings, ...changes })
  }

  /** Writes the app that the run began with, or another one. */
  release(source: string = appSource): void {
    this.pm2.sandbox.writeApp(source)
  }

  status(): Promise<Status> {
    return this.pm2.status()
  }

  /** Waits until the service is what it was: all workers there, a bridge attached. Old workers may still finish. */
  async settled(): Promise<void> {
    await waitFor('a service that is whole again', async () => {
      const status = await this.status().catch(() => undefined)
      if (status?.state !== 'serving' || !status.supervisor.attached) return false
      const { connections, generation, workers } = status
      const { accepted, ...states } = connections
      assert.equal(
        Object.values(states).reduce((sum, count) => sum + count, 0),
        accepted,
        'the counters do not add up',
      )
      return workers.filter((one) => isWell(one, generation)).length === workerCount
    })
  }

  /** A crowd at the service, if this world has one; resolves when workers accept by themselves, where they can. */
  async crowd(): Promise<Crowd | undefined> {
    if (this.#crowdClients === 0) return undefined
    const crowd = await Crowd.gather(this.#t, this.#tcpPort, this.#crowdClients)
    if (!isNative) return crowd
    try {
      await waitFor('workers that accept', async () => (await this.status()).acceptor === 'workers')
      return crowd
    } catch (error) {
      crowd.abandon()
      throw error
    }
  }

  /** Waits for a worker that is as `suits` says; returns its PID. */
  worker(what: string, suits: (worker: WorkerStatus) => boolean): Promise<number> {
    return waitFor(what, async () => {
      const { workers } = await this.status()
      const suitable = workers.filter((one) => one.pid !== null && suits(one))
      return this.pick(suitable)?.pid
    })
  }

  /** Runs what ends the primary, and has the ledger count for the next one from when it is gone. */
  async replacePrimary(change: () => Promise<void>): Promise<void> {
    const { pid } = await this.status()
    const gone = waitFor('the end of the primary', () => !isAlive(pid))
    await Promise.all([gone.then(() => this.ledger.countFrom(monotonicMs())), change()])
  }

  /** One of them, by chance; undefined when there is none. */
  pick<T>(all: readonly T[]): T | undefined {
    return all[Math.floor(this.random() * all.length)]
  }

  /** A whole number from `least` to `most`, by chance. */
  between(least: number, most: number): number {
    return least + Math.floor(this.random() * (most - least + 1))
  }
}

function isWell({ state, generation }: WorkerStatus, current: number): boolean {
  return generation === current && (state === 'idle' || state === 'busy')
}
