import { buildId, version } from '../build-id.ts'
import type { Environment } from '../config/environment.ts'
import { type Config, loadConfig } from '../config/load.ts'
import { deferred } from '../deferred.ts'
import { HelloserverError } from '../errors.ts'
import { type DrainEvent, primaryEvents } from '../lifecycle/drain-phases.ts'
import { Machine } from '../lifecycle/machine.ts'
import {
  type PrimaryEvent,
  type PrimaryState,
  primaryTransitions,
} from '../lifecycle/primary-states.ts'
import type { ReloadResult, Status } from '../status.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Inheritance } from '../upgrade/messages.ts'
import type { OfferedListener, PredecessorListener } from '../upgrade/predecessor.ts'
import type { Successor } from '../upgrade/successor.ts'
import { Accounts } from './accounts.ts'
import { Dispatcher } from './dispatcher.ts'
import { Drain, type StopResult } from './drain.ts'
import { HandOver } from './hand-over.ts'
import { Listener } from './listener.ts'
import type { PidLock } from './pid-lock.ts'
import { queueLimits } from './open-files.ts'
import { ConnectionQueue } from './queue.ts'
import { Reloader } from './reloader.ts'
import { Turns } from './turns.ts'
import { WorkerPool, type WorkerPoolOptions } from './worker-pool.ts'

/** How often clients that left the queue are looked for, and how long one has waited by then; milliseconds. */
const probeEveryMs = 1_000
/** A successor may take so many times as long as a worker until it serves. */
const successorPatience = 3

/** What a reload is to apply; what is left out stays as it is. */
export interface ReloadRequest {
  /** Replaces the environment that the service was started with. */
  readonly environment: Environment
  /** The program that is to run in this one's place: the primary is replaced, not its workers alone. */
  readonly program: string
}

export interface PrimaryOptions {
  readonly name: string
  readonly environment: Environment
  readonly config: Config
  readonly runDir: string
  readonly workerModule: string
  /** A listening socket that this process was given, in place of the configured host and port. */
  readonly inheritedFd?: number | undefined
  readonly log: Logger
  readonly onWorkerOutput: WorkerPoolOptions['onOutput']
  /** What a predecessor leaves; undefined for a service that starts afresh. */
  readonly inheritance?: Inheritance | undefined
  /** Resolves when the predecessor has finished what it had in hand. */
  readonly predecessorGone?: Promise<void> | undefined
  /** Starts a process that is to take the service over. */
  readonly startSuccessor: (
    program: string,
    environment: Environment,
    withinMs: number,
  ) => Successor
  /** What keeps others from being this service. */
  readonly lock: () => PidLock
  /** Told of each reload that was asked for; its outcome never rejects. */
  readonly onReloading: (outcome: Promise<ReloadResult>) => void
  /** Told when the service begins to end, with the cause. */
  readonly onDraining: (cause: string) => void
  /** Told when another process has become the service. */
  readonly onHandedOver: (pid: number, leaving: Promise<StopResult>) => void
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
  readonly #handOver: HandOver
  readonly #listener: Listener
  readonly #reloader: Reloader<ReloadRequest>
  /** Reloads and scalings change the same workers. */
  readonly #turns = new Turns()
  readonly #startedMs = performance.now()
  readonly #started = deferred<void>()
  #config: Config
  #environment: Environment
  #build: string
  #probe: NodeJS.Timeout | undefined
  /** Settles when what is in hand has ended after another process has taken over. */
  #leaving: Promise<StopResult> | undefined

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
      () => this.#settled(),
      log,
      options.inheritance?.lastConnectionId,
    )
    if (options.inheritance !== undefined) this.#accounts.inherit(options.inheritance.counts)
    this.#pool = new WorkerPool({
      service: options.name,
      runDir: options.runDir,
      workerModule: options.workerModule,
      dispatcher: this.#dispatcher,
      log,
      lastGeneration: options.inheritance?.generation ?? 0,
      onOutput: options.onWorkerOutput,
    })
    this.#drain = new Drain(config, {
      accounts: this.#accounts,
      dispatcher: this.#dispatcher,
      pool: this.#pool,
      log,
      stopAccepting: () => this.#listener.close(),
      onMove: (event, cause) => this.#drainMoved(event, cause),
    })
    this.#handOver = new HandOver(this.#accounts, this.#dispatcher, this.#pool)
    this.#listener = new Listener((handle) => this.#dispatcher.accept(handle), log)
    this.#reloader = new Reloader(
      (request) => this.#turns.take(() => this.#performReload(request)),
      log,
    )
  }

  /**
   * Brings the workers up, then binds: nobody can connect before somebody can answer.
   *
   * @param takeOver - gets the listening socket of a predecessor, once the workers are ready
   * @throws HelloserverError `BOOT_FAILED`, `ADDRESS_TAKEN` or `BAD_CONFIG`; everything is undone by then.
   */
  async start(takeOver?: () => Promise<OfferedListener>): Promise<void> {
    try {
      const generation = await this.#pool.boot(this.#config)
      this.#machine.apply('workers-ready')
      this.#machine.apply('lease-held', 'this host has the local lock')
      await this.#bind(await takeOver?.())
      // A stop may have come while the name was looked up.
      if (!this.#is('binding')) throw new HelloserverError('BOOT_FAILED', 'The service is stopping')
      this.#pool.switchTo(generation)
    } catch (error) {
      // A stop that came while it bound has closed it too early.
      this.#listener.close()
      if (this.#machine.accepts('abort')) this.#machine.apply('abort', 'the start failed')
      await this.#drain.cut('the start failed')
      throw error
    }
    this.#machine.apply('bound')
    if (this.#options.inheritance !== undefined) {
      this.#reloader.conclude(this.#options.inheritance.upgradeBeganAtMs)
    }
    this.#started.resolve()
    this.#probe = setInterval(() => this.#dispatcher.probe(probeEveryMs), probeEveryMs)
  }

  get config(): Config {
    return this.#config
  }

  /** Applies what is on disk: new workers, or with a `program` a whole new primary. */
  async reload(cause: string, request: Partial<ReloadRequest> = {}): Promise<ReloadResult> {
    // A start has read its configuration already: what asks meanwhile has its turn after it.
    await this.#started.promise
    const outcome = this.#reloader.request(request, cause)
    this.#options.onReloading(outcome)
    return outcome
  }

  /** What a predecessor tells while it finishes what it has in hand. */
  get heritage(): PredecessorListener {
    return {
      onConnection: (handle, id, ageMs) => this.#dispatcher.adopt(id, handle, ageMs),
      onCounts: (counts) => {
        this.#accounts.inherit(counts)
        this.#settled()
      },
      onGone: () => {
        this.#accounts.writeOff()
        this.#settled()
      },
    }
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

  /** Serves what is queued and in hand, and ends the workers. The first cause wins. */
  async stop(cause: string): Promise<StopResult> {
    // Whether another process takes over is perhaps being decided at this moment.
    await this.#handOver.decided
    if (this.#leaving !== undefined) {
      this.#handOver.stopSuccessor()
      return this.#leaving
    }
    const hasNothingToServe = !this.#is('serving') && this.#drain.status === null
    if (hasNothingToServe) return this.terminate(cause)
    return this.#drain.begin(cause, this.#config)
  }

  /** Moves a stop that is under way to its next phase. */
  insist(cause: string): void {
    this.#drain.insist(cause)
  }

  /** Drops every connection and ends the workers. */
  terminate(cause: string): Promise<StopResult> {
    return this.#drain.cut(cause)
  }

  /** This process was paused and goes on. */
  resume(): void {
    this.#pool.forgive()
  }

  status(supervisorPid: number | null): Status {
    const { address } = this.#listener
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
      drain: this.#drain.status,
      lease: null,
      supervisor: { attached: supervisorPid !== null, pid: supervisorPid },
    }
  }

  #is(state: PrimaryState): boolean {
    return this.#machine.state === state
  }

  async #bind(inherited: OfferedListener | undefined): Promise<void> {
    const { host, port } = this.#config
    const { inheritedFd } = this.#options
    if (inheritedFd !== undefined) {
      await this.#listener.adoptFd(inheritedFd)
      return
    }
    if (inherited?.host === host && inherited.port === port) {
      await this.#listener.adopt(inherited.handle)
      return
    }
    // The configuration has another address by now.
    await this.#listener.listen(host, port)
    inherited?.handle.close()
  }

  async #performReload(request: Partial<ReloadRequest>): Promise<void> {
    this.#mustServe('reload')
    const wanted = request.environment ?? this.#environment
    if (request.program !== undefined) return this.#upgrade(request.program, wanted)
    const config = loadConfig(this.#options.name, wanted)
    this.#refuseMove(config)
    const build = buildId(config.appModule)
    const generation = await this.#pool.boot(config)
    this.#mustServe('reload')
    this.#pool.switchTo(generation)
    this.#queue.limit(queueLimits(config, this.#log))
    this.#dispatcher.limitPerClient(config.queue.maxPerClient)
    this.#log.level = config.logLevel
    this.#config = config
    this.#environment = wanted
    this.#build = build
  }

  /** The listening socket stays as it is in a reload, whether this process bound it or was given it. */
  #refuseMove({ host, port }: Config): void {
    const { host: oldHost, port: oldPort } = this.#config
    const isInherited = this.#options.inheritedFd !== undefined
    const hint = isInherited
      ? "the socket is inherited, and its address is the service manager's to change"
      : 'use "helloserver restart" for that'
    for (const [key, from, to] of [
      ['host', oldHost, host],
      ['port', oldPort, port],
    ]) {
      if (from === to) continue
      throw new HelloserverError(
        'RELOAD_FAILED',
        `The ${key} cannot change from ${from} to ${to} in a reload; ${hint}`,
      )
    }
  }

  /** Has another process take the service over; nothing changes when that cannot. */
  async #upgrade(program: string, environment: Environment): Promise<void> {
    const { host, port, reload } = this.#config
    const { startSuccessor, lock, onHandedOver } = this.#options
    const successor = startSuccessor(
      program,
      environment,
      successorPatience * reload.readyTimeoutMs,
    )
    const estate = { listener: this.#listener.handle, host, port, lock: lock().handle }
    await this.#handOver.perform(
      successor,
      estate,
      () => this.#mustServe('upgrade'),
      () => {
        this.#machine.apply('drain', `process ${successor.pid} has taken over`)
        this.#listener.close()
        this.#leaving = this.#bowOut()
        onHandedOver(successor.pid, this.#leaving)
      },
    )
    successor.onEnd((withinMs) => {
      setTimeout(() => void this.terminate('the service ends'), withinMs).unref()
    })
  }

  async #bowOut(): Promise<StopResult> {
    await this.#handOver.bowOut(this.#options.predecessorGone)
    clearInterval(this.#probe)
    if (this.#drain.status !== null) return this.terminate('it is ending already')
    if (this.#machine.accepts('drained')) this.#machine.apply('drained')
    return { dropped: 0 }
  }

  #settled(): void {
    this.#drain.advance()
    this.#handOver.settled()
  }

  #mustServe(what: string): void {
    if (this.#is('serving')) return
    throw new HelloserverError(
      'CONTROL_FAILED',
      `Cannot ${what} while the service is ${this.#machine.state}`,
    )
  }

  #drainMoved(event: DrainEvent, cause: string): void {
    if (event === 'workers-gone') clearInterval(this.#probe)
    const move = primaryEvents[event]
    if (move === undefined || !this.#machine.accepts(move)) return
    const isFirst = !this.#is('draining')
    this.#machine.apply(move, cause)
    if (isFirst) this.#options.onDraining(cause)
  }
}
