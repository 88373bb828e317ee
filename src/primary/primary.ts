import { buildId, version } from '../build-id.ts'
import type { Environment } from '../config/environment.ts'
import { type Config, loadConfig } from '../config/load.ts'
import { refuseRestartOnly } from '../config/restart-only.ts'
import { deferred } from '../deferred.ts'
import { HelloserverError } from '../errors.ts'
import { Machine } from '../lifecycle/machine.ts'
import {
  type PrimaryEvent,
  type PrimaryState,
  primaryTransitions,
} from '../lifecycle/primary-states.ts'
import type { ReloadResult, Status } from '../status.ts'
import type { Logger } from '../telemetry/logger.ts'
import { Accounts } from './accounts.ts'
import type { CrewOptions } from './crew.ts'
import { Dispatcher } from './dispatcher.ts'
import { Drain } from './drain.ts'
import { Listeners } from './listeners.ts'
import { queueLimits } from './open-files.ts'
import { ConnectionQueue } from './queue.ts'
import { Recycler } from './recycler.ts'
import { Reloader, type ReloadStep } from './reloader.ts'
import { Turns } from './turns.ts'
import { WorkerPool } from './worker-pool.ts'

/** How often clients that left the queue are looked for, and how long one has waited by then; milliseconds. */
const probeEveryMs = 1_000

export interface PrimaryOptions {
  readonly name: string
  readonly environment: Environment
  readonly config: Config
  readonly runDir: string
  readonly workerModule: string
  readonly log: Logger
  readonly onWorkerOutput: CrewOptions['onOutput']
  /** Told when the service begins to end, with the cause. */
  readonly onDraining: (cause: string) => void
}

/** How a stop went. */
export interface StopResult {
  /** Connections that were dropped because time was up. */
  readonly dropped: number
}

/** The service on this host: one listening socket, one queue, a pool of workers, and their life cycle. */
export class Primary {
  readonly #options: PrimaryOptions
  readonly #log: Logger
  readonly #machine: Machine<PrimaryState, PrimaryEvent>
  readonly #accounts = new Accounts()
  readonly #queue: ConnectionQueue
  readonly #dispatcher: Dispatcher
  readonly #pool: WorkerPool
  readonly #drain: Drain
  /** Aborted when the service is to end at once. */
  readonly #cut = new AbortController()
  readonly #listeners: Listeners
  readonly #reloader: Reloader<Environment>
  readonly #recycler: Recycler
  /** Reloads, scalings and recyclings change the same workers. */
  readonly #turns = new Turns()
  readonly #startedMs = performance.now()
  readonly #started = deferred<void>()
  #config: Config
  #environment: Environment
  #build: string
  #probe: NodeJS.Timeout | undefined
  #stopping: Promise<StopResult> | undefined
  #terminating: Promise<StopResult> | undefined

  constructor(options: PrimaryOptions) {
    const { config, log } = options
    this.#options = options
    this.#log = log
    this.#config = config
    this.#environment = options.environment
    this.#build = buildId(config.appModule)
    this.#machine = new Machine<PrimaryState, PrimaryEvent>(
      primaryTransitions,
      'starting',
      (from, event, to, cause) => log.info({ from, event, to, cause }, `Now ${to}`),
    )
    this.#queue = new ConnectionQueue(queueLimits(config, this.#log), (late) =>
      this.#dispatcher.expire(late),
    )
    this.#dispatcher = new Dispatcher(
      this.#queue,
      this.#accounts,
      config.queue.maxPerClient,
      () => this.#drain.settled(),
      log,
    )
    this.#pool = new WorkerPool({
      service: options.name,
      runDir: options.runDir,
      workerModule: options.workerModule,
      dispatcher: this.#dispatcher,
      log,
      onOutput: options.onWorkerOutput,
    })
    this.#drain = new Drain(this.#accounts, this.#dispatcher, this.#pool)
    this.#listeners = new Listeners((handle) => this.#dispatcher.accept(handle), log)
    this.#reloader = new Reloader(
      (environment, enter) => this.#turns.take(() => this.#performReload(environment, enter)),
      log,
    )
    this.#recycler = new Recycler(this.#pool, this.#turns, log)
  }

  /**
   * Brings the workers up, then binds: nobody can connect before somebody can answer.
   *
   * @throws HelloserverError `BOOT_FAILED`, `ADDRESS_TAKEN` or `BAD_CONFIG`; everything is undone by then.
   */
  async start(): Promise<void> {
    try {
      await this.#pool.boot(this.#config)
      this.#machine.apply('workers-ready')
      this.#machine.apply('lease-held', 'this host has the local lock')
      await this.#listeners.listen(this.#config)
      // A stop may have come while the name was looked up.
      if (!this.#is('binding')) throw new HelloserverError('BOOT_FAILED', 'The service is stopping')
      this.#pool.open()
    } catch (error) {
      this.#listeners.close()
      if (this.#machine.accepts('abort')) this.#machine.apply('abort', 'the start failed')
      await this.#drain.dropAll()
      throw error
    }
    this.#machine.apply('bound')
    this.#started.resolve()
    this.#probe = setInterval(() => this.#dispatcher.probe(probeEveryMs), probeEveryMs)
    this.#recycler.start()
  }

  get config(): Config {
    return this.#config
  }

  /** Re-reads the configuration and replaces the workers; `environment` replaces the one it was started with. */
  async reload(cause: string, environment?: Environment): Promise<ReloadResult> {
    // A start has read its configuration already: what asks meanwhile has its turn after it.
    await this.#started.promise
    return this.#reloader.request(environment, cause)
  }

  /** A signal asks for a reload; nobody waits for what comes of it. */
  async reloadOnSignal(signal: NodeJS.Signals): Promise<void> {
    await this.#started.promise
    this.#reloader.signal(signal)
  }

  /**
   * Sets the number of workers until the next reload.
   *
   * @throws HelloserverError `BOOT_FAILED` when a new one cannot get ready
   */
  async scale(workers: number): Promise<void> {
    await this.#turns.take(async () => {
      this.#mustServe('scale')
      await this.#pool.scale(workers)
    })
    this.#log.info({ workers }, 'Scaled')
  }

  /** Serves what is queued and in hand within `drain.timeoutMs`, and ends the workers. The first cause wins. */
  stop(cause: string): Promise<StopResult> {
    this.#stopping ??= this.#drainOut(cause)
    return this.#stopping
  }

  /** Drops every connection and ends the workers. */
  terminate(cause: string): Promise<StopResult> {
    this.#terminating ??= this.#abort(cause)
    return this.#terminating
  }

  async #abort(cause: string): Promise<StopResult> {
    if (this.#is('stopped')) return { dropped: 0 }
    this.#machine.apply('abort', cause)
    this.#options.onDraining(cause)
    this.#unbind()
    this.#cut.abort()
    return { dropped: await this.#drain.dropAll() }
  }

  /** This process was paused and goes on. */
  resume(): void {
    this.#pool.forgive()
  }

  status(supervisorPid: number | null): Status {
    const { address } = this.#listeners
    const { state } = this.#machine
    return {
      name: this.#options.name,
      version,
      build: this.#build,
      state: state === 'serving' && this.#pool.isDegraded ? 'degraded' : state,
      pid: process.pid,
      uptimeMs: Math.round(performance.now() - this.#startedMs),
      generation: this.#pool.current?.number ?? 0,
      listen: {
        host: address?.address ?? this.#config.host,
        port: address?.port ?? this.#config.port,
      },
      workers: this.#pool.slots.map((slot) => slot.status),
      queue: {
        length: this.#queue.length,
        max: this.#queue.max,
        oldestMs: Math.round(this.#queue.oldestMs),
      },
      connections: this.#accounts.counts,
      lastReload: this.#reloader.last,
      lease: null,
      supervisor: { attached: supervisorPid !== null, pid: supervisorPid },
    }
  }

  #is(state: PrimaryState): boolean {
    return this.#machine.state === state
  }

  /** Whatever throws here, before the last step is done, leaves everything as it was. */
  async #performReload(
    environment: Environment | undefined,
    enter: (step: ReloadStep) => void,
  ): Promise<void> {
    this.#mustServe('reload')
    const wanted = environment ?? this.#environment
    refuseRestartOnly(this.#options, wanted)
    const config = loadConfig(this.#options.name, wanted)
    const build = buildId(config.appModule)
    enter('address')
    const move = await this.#listeners.move(config)
    try {
      enter('canary')
      await this.#pool.reload(config, () => enter('workers'))
    } catch (error) {
      move.cancel()
      throw error
    }
    move.finish()
    this.#queue.limit(queueLimits(config, this.#log))
    this.#dispatcher.limitPerClient(config.queue.maxPerClient)
    this.#log.level = config.logLevel
    this.#config = config
    this.#environment = wanted
    this.#build = build
  }

  #mustServe(what: string): void {
    if (this.#is('serving')) return
    throw new HelloserverError(
      'CONTROL_FAILED',
      `Cannot ${what} while the service is ${this.#machine.state}`,
    )
  }

  async #drainOut(cause: string): Promise<StopResult> {
    if (!this.#is('serving')) return this.terminate(cause)
    this.#machine.apply('drain', cause)
    this.#options.onDraining(cause)
    this.#unbind()
    const { timeoutMs } = this.#config.drain
    await this.#drain.serveOut(timeoutMs, this.#cut.signal)
    // TERM has come meanwhile, and does the rest.
    if (this.#terminating !== undefined) return this.#terminating
    const left = this.#accounts.unsettled
    if (left === 0) {
      await this.#drain.endWorkers(this.#config)
    } else {
      this.#log.warn({ dropped: left, timeoutMs }, 'The drain took too long; dropping what is left')
      await this.#drain.dropAll()
    }
    if (this.#machine.accepts('drained')) this.#machine.apply('drained')
    return { dropped: left }
  }

  /** Takes no more connections, and gives up what would change the workers. */
  #unbind(): void {
    clearInterval(this.#probe)
    this.#recycler.stop()
    this.#listeners.close()
    this.#pool.settle()
  }
}
