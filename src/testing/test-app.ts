import { join, resolve } from 'node:path'
import type { App } from '../app/app.ts'
import { isApp, problemOf } from '../app/load-app.ts'
import { type Deferred, deferred } from '../async/deferred.ts'
import { configSchema } from '../config/schema.ts'
import { HelloserverError } from '../errors.ts'
import type { Progress } from '../ipc/progress.ts'
import type { ConnectionLease } from '../ipc/worker-messages.ts'
import { plain } from '../proxy-protocol/proxy-header.ts'
import { createLogger } from '../telemetry/logger.ts'
import type { ConnectionLimits } from '../worker/connection.ts'
import { Worker, type WorkerContext } from '../worker/connection-worker.ts'
import type { Arrival } from '../worker/intake.ts'
import type { SocketOptions } from '../worker/socket-transport.ts'
import { MemoryDoor } from './memory-door.ts'
import { MemoryIntake } from './memory-intake.ts'
import { type ConnectOptions, type Outcome, TestClient } from './test-client.ts'
import { TestClock } from './test-clock.ts'
import { inNextTurn, nextTurn } from './turn.ts'

/** The configuration's `connection` section. */
export interface ConnectionSettings extends ConnectionLimits, SocketOptions {}

/** The settings of an app under test; defaults are in brackets. */
export interface TestAppOptions<Settings> {
  /** The configuration's `app` object [{}]. */
  readonly settings?: Settings
  /** Limits of the configuration's `connection` section [their defaults]. */
  readonly connection?: Partial<ConnectionSettings>
  /** The lease of the first connections; null where hosts share none [null]. */
  readonly lease?: ConnectionLease | null
  /** The clock that measures the limits, which several apps may share [a clock of its own]. */
  readonly clock?: TestClock
  /** The folder of the configuration file, for `context.directory` [the working directory]. */
  readonly directory?: string
  /** The service's name ["test"]. */
  readonly service?: string
}

/** A line that the app or its worker has logged. */
export interface LogLine {
  readonly level: string
  readonly msg?: string
  readonly [field: string]: unknown
}

/** A connection that has not ended. */
interface OpenConnection {
  readonly id: number
  readonly client: TestClient
  readonly arrival: Arrival
  readonly ended: Deferred<Outcome>
  /** Whether the test has asked how it ended. */
  isWatched: boolean
}

/** How long a handler may take to settle after its connection was ended, in milliseconds. */
const settleWithinMs = 2_000

/** Taken when this module is loaded, so that a test runner's fake timers do not stop it. */
const { setTimeout: startTimer, clearTimeout: stopTimer } = globalThis

/**
 * An app in the test's own process, served by the code of a real worker: one connection at a time, in the order in
 * which clients connect. Created by `testApp`.
 */
export class TestApp implements AsyncDisposable {
  /** Measures the limits on connections. */
  readonly clock: TestClock
  /** Everything that was logged, at any level. */
  readonly log: LogLine[] = []
  readonly #app: App
  readonly #context: WorkerContext
  readonly #worker: Worker
  #intake!: MemoryIntake
  readonly #release: () => void
  /** Connections by id, in the order in which they came. */
  readonly #open = new Map<number, OpenConnection>()
  readonly #clients = new Set<TestClient>()
  readonly #thrown = new Map<number, unknown>()
  /** Errors of handlers that no test has asked for. */
  readonly #unseen = new Map<number, unknown>()
  #active: OpenConnection | undefined
  #lastId = 0
  #isOffering = false
  /** Whether no further connection is handed to the worker. */
  #isEnding = false
  #closing: Promise<void> | undefined

  private constructor(app: App, options: TestAppOptions<object>) {
    const { clock = new TestClock(), directory = '.', service = 'test', lease = null } = options
    const config = configOf(options, resolve(directory))
    const identity = { service, slot: 1, generation: 1 }
    this.clock = clock
    this.#app = this.#watched(app)
    this.#context = {
      ...identity,
      directory: config.directory,
      settings: config.app,
      lease: null,
      log: createLogger({ ...identity, role: 'worker' }, 'trace', {
        write: (line) => void this.log.push(JSON.parse(line) as LogLine),
      }),
    }
    const boot = {
      kind: 'boot',
      ...identity,
      config,
      handOff: 'portable',
      startsPrimary: false,
      endpoints: [],
    } as const
    this.#worker = new Worker(
      this.#app,
      this.#context,
      boot,
      (handler) => {
        const report = (progress: Progress) => this.#report(progress)
        this.#intake = new MemoryIntake(handler, config.connection, clock, report)
        return this.#intake
      },
      clock,
    )
    this.hold(lease)
    this.#release = clock.drive(() => this.#settled())
  }

  /** @internal */
  static async start(app: App, options: TestAppOptions<object>): Promise<TestApp> {
    const started = new TestApp(app, options)
    await app.setup?.(started.#context)
    return started
  }

  /** Connects a client. Its handler is called when the connections before it have ended. */
  connect(options: ConnectOptions = {}): TestClient {
    if (this.#closing !== undefined) throw new Error('The app is closed')
    this.#lastId += 1
    const id = this.#lastId
    const remote = { address: '127.0.0.1', port: 40_000 + (id % 20_000), ...options.remote }
    const ended = deferred<Outcome>()
    const client = new TestClient(remote, options, {
      isOpen: () => this.#open.has(id),
      ended: () => {
        connection.isWatched = true
        this.#unseen.delete(id)
        return ended.promise
      },
    })
    const arrival = arrivalOf(client, options)
    const connection: OpenConnection = { id, client, arrival, ended, isWatched: false }
    this.#open.set(id, connection)
    this.#clients.add(client)
    client.socket.once('close', () => this.#clients.delete(client))
    this.#offerNext()
    return client
  }

  /** Serves further connections under this lease, or under none. */
  hold(lease: ConnectionLease | null): void {
    this.#worker.hold({ grant: lease, abortAtMs: null })
  }

  /**
   * Loses the lease, where `lease.onLoss` is "abort": the active connection fails with `LEASE_LOST`.
   *
   * @param afterMs - how long the active connection may still take, by `clock` [0]
   */
  async loseLease(afterMs = 0): Promise<void> {
    this.#worker.hold({ grant: null, abortAtMs: this.clock.nowMs() + afterMs })
    await this.clock.advance(0)
  }

  /** Ends the active connection as the service does on SIGTERM: it fails with `TERMINATED`. */
  async terminate(): Promise<void> {
    await this.#settled()
    this.#worker.terminate()
    await this.#settled()
  }

  /**
   * Ends what has not ended, as `terminate` does, and runs the app's teardown. Further calls wait for the first.
   *
   * @throws the error of a handler whose connection's outcome the test has not asked for; an AggregateError when
   * there are several
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    try {
      await this.#settled()
      this.#isEnding = true
      this.#worker.terminate()
      await this.#finish()
      for (const { id, client } of this.#open.values()) {
        client.socket.destroy()
        this.#end(id, { outcome: 'failed', reason: 'terminated', bytesIn: 0, bytesOut: 0 })
      }
      for (const client of this.#clients) client.leave()
      await this.#worker.close()
    } finally {
      this.#release()
    }
    const errors = [...this.#unseen.values()]
    if (errors.length === 1) throw errors[0]
    if (errors.length > 1) throw new AggregateError(errors, 'Several handlers threw')
  }

  /** Waits for the active handler; a test must not hang because a handler does. */
  async #finish(): Promise<void> {
    const active = this.#active
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      const message = `The handler of connection ${active?.id} has not settled within ${settleWithinMs} ms after its connection was ended; a handler that waits for anything but its connection must watch connection.signal`
      timer = startTimer(() => reject(new HelloserverError('APP_FAILED', message)), settleWithinMs)
    })
    try {
      await Promise.race([this.#worker.finish(), late])
    } finally {
      stopTimer(timer)
    }
  }

  /** The app; a value that its handler throws is kept for the outcome. */
  #watched(app: App): App {
    return {
      handle: async (connection, context) => {
        try {
          await app.handle(connection, context)
        } catch (error) {
          this.#thrown.set(connection.id, error)
          throw error
        }
      },
      teardown: (context) => app.teardown?.(context),
    }
  }

  /** Hands the next connection to the worker in another turn, as a message from the primary would. */
  #offerNext(): void {
    if (this.#isOffering) return
    this.#isOffering = true
    inNextTurn(() => {
      this.#isOffering = false
      const [next] = this.#open.values()
      if (this.#active !== undefined || next === undefined || this.#isEnding) return
      this.#active = next
      this.#intake.receive(next.id, next.client.socket, next.arrival)
    })
  }

  #report({ id, step, reason, bytesIn, bytesOut }: Progress): void {
    if (step === 'missing') throw new Error(`The worker has refused connection ${id}`)
    this.#active = undefined
    const isFailed = step === 'failed' && reason !== 'none'
    this.#end(id, { outcome: step, reason: isFailed ? reason : null, bytesIn, bytesOut })
    this.#offerNext()
  }

  #end(id: number, ending: Omit<Outcome, 'error'>): void {
    const connection = this.#open.get(id)
    const error = this.#thrown.get(id)
    this.#open.delete(id)
    this.#thrown.delete(id)
    if (ending.reason === 'handler-error' && connection?.isWatched === false) {
      this.#unseen.set(id, error)
    }
    connection?.ended.resolve({ ...ending, error })
  }

  /** Resolves when no bytes are in transit between the clients and the handler. */
  async #settled(): Promise<void> {
    do await nextTurn()
    while (this.#isOffering || [...this.#clients].some(({ socket }) => socket.isReceiving))
    await nextTurn()
  }
}

/**
 * Runs an app in this process, without a port: its `setup` now, its `handle` for each client that connects, its
 * `teardown` in `close`.
 *
 * ```ts
 * const app = await testApp(echo)
 * const client = app.connect()
 * await client.write('hello\r\n')
 * assert.equal(String(await client.readLine()), 'hello\r\n')
 * assert.equal((await client.outcome).outcome, 'served')
 * await app.close()
 * ```
 *
 * @param app - an app module's default export
 * @throws whatever the app's `setup` throws; TypeError for a value that is no app; HelloserverError `BAD_CONFIG` for
 * limits that a configuration cannot have
 */
export async function testApp<Settings = Readonly<Record<string, unknown>>>(
  app: App<Settings>,
  options: TestAppOptions<Settings> = {},
): Promise<TestApp> {
  if (!isApp(app)) throw new TypeError(`The app ${problemOf(app)}`)
  return TestApp.start(app, options as TestAppOptions<object>)
}

/** What a primary, or a worker's intake, would know of the client. */
function arrivalOf(client: TestClient, { proxy, tls }: ConnectOptions): Arrival {
  const door = new MemoryDoor(client.socket, () => client.tls)
  const header = proxy === undefined ? {} : { proxy: { version: 2 as const, ...plain, ...proxy } }
  if (tls !== undefined) void client.startTls(tls)
  return { door, ...header, beginsWithTls: tls !== undefined }
}

/** The configuration that a service would read from a file with these settings. */
function configOf({ settings = {}, connection = {} }: TestAppOptions<object>, directory: string) {
  const parsed = configSchema.safeParse({ connection, log: { access: true } })
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
    throw new HelloserverError('BAD_CONFIG', `Bad options: ${[...new Set(problems)].join('; ')}`)
  }
  const path = join(directory, 'config.json')
  const app = settings as Record<string, unknown>
  const { host, port, listen: _, ...config } = parsed.data
  const listen = [{ endpoint: { host, port } }]
  return { ...config, listen, app, workers: 1, path, directory, appModule: '' }
}
