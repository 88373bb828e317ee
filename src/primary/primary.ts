import { version } from '../build-id.ts'
import type { Environment } from '../config/environment.ts'
import { handedOver, HelloserverError } from '../errors.ts'
import { type DrainEvent, primaryEvents } from '../lifecycle/drain-phases.ts'
import { Machine } from '../lifecycle/machine.ts'
import {
  type PrimaryEvent,
  type PrimaryState,
  primaryTransitions,
} from '../lifecycle/primary-states.ts'
import type { Status } from '../status.ts'
import { Events } from '../telemetry/events.ts'
import type { Tally } from '../upgrade/messages.ts'
import type { OfferedListener, PredecessorListener } from '../upgrade/predecessor.ts'
import { AccessLog } from './access-log.ts'
import { Accounts } from './accounts.ts'
import { Deployer } from './deployer.ts'
import { Dispatcher } from './dispatcher.ts'
import { Drain, type StopResult } from './drain.ts'
import { Figures } from './figures.ts'
import { HandOver } from './hand-over.ts'
import { Listeners } from './listeners.ts'
import { queueLimits } from './open-files.ts'
import type { PrimaryOptions } from './primary-options.ts'
import { ConnectionQueue } from './queue.ts'
import { Recycler } from './recycler.ts'
import { Shedding } from './shedding.ts'
import { Turns } from './turns.ts'
import { WorkerPool } from './worker-pool.ts'

/** How often clients that left the queue are looked for, and how long one has waited by then; milliseconds. */
const probeEveryMs = 1_000
/** So many of the last events are in the status. */
const eventsShown = 20
/** A successor may take so many times as long as a worker until it serves. */
const successorPatience = 2

/** The service on this host: one listening socket, one queue, a pool of workers, and their life cycle. */
export class Primary {
  readonly #options: PrimaryOptions
  readonly #machine: Machine<PrimaryState, PrimaryEvent>
  readonly #accounts = new Accounts()
  /** What happens to the service. */
  readonly events: Events
  readonly #figures = new Figures()
  readonly #queue: ConnectionQueue
  readonly #dispatcher: Dispatcher
  readonly #pool: WorkerPool
  readonly #drain: Drain
  readonly #handOver: HandOver
  readonly #listeners: Listeners
  /** What runs, and reloads of it. */
  readonly deployer: Deployer
  readonly #recycler: Recycler
  readonly #startedMs = performance.now()
  #probe: NodeJS.Timeout | undefined

  constructor(options: PrimaryOptions) {
    const { config, log } = options
    this.#options = options
    this.#machine = new Machine<PrimaryState, PrimaryEvent>(
      primaryTransitions,
      'starting',
      (from, event, to, cause) => this.#moved(from, event, to, cause),
    )
    this.events = new Events(log, options.inheritance?.events)
    const shedding = new Shedding(this.events)
    const accessLog = new AccessLog(log)
    this.#queue = new ConnectionQueue(queueLimits(config, log), (late) =>
      this.#dispatcher.expire(late),
    )
    this.#dispatcher = new Dispatcher(
      this.#queue,
      this.#accounts,
      config.queue.maxPerClient,
      {
        onFull: () => shedding.shed(this.#queue.length),
        onHandled: (waitMs, handlingMs) => this.#figures.handled(waitMs, handlingMs),
        onSettled: (connection, slot, report) => {
          accessLog.write(connection, slot, report)
          this.#settled()
        },
      },
      log,
      options.inheritance?.lastConnectionId,
    )
    if (options.inheritance !== undefined) this.#inherit(options.inheritance)
    const crew = {
      service: options.name,
      runDir: options.runDir,
      workerModule: options.workerModule,
      dispatcher: this.#dispatcher,
      log,
      events: this.events,
      figures: this.#figures,
      onOutput: options.onWorkerOutput,
    }
    this.#pool = new WorkerPool(crew, options.inheritance?.generation)
    this.#drain = new Drain(config, {
      accounts: this.#accounts,
      dispatcher: this.#dispatcher,
      pool: this.#pool,
      log,
      finishAccepting: () => this.#listeners.finish(),
      stopAccepting: () => this.#listeners.close(),
      onMove: (event, cause) => this.#drainMoved(event, cause),
    })
    this.#handOver = new HandOver({
      accounts: this.#accounts,
      dispatcher: this.#dispatcher,
      pool: this.#pool,
      events: this.events,
      figures: this.#figures,
    })
    this.#listeners = new Listeners((handle) => this.#dispatcher.accept(handle), log)
    // Reloads, scalings and recyclings change the same workers.
    const turns = new Turns()
    this.#recycler = new Recycler(this.#pool, turns, this.#figures, log)
    this.deployer = new Deployer({
      name: options.name,
      runDir: options.runDir,
      environment: options.environment,
      config,
      pool: this.#pool,
      listeners: this.#listeners,
      queue: this.#queue,
      dispatcher: this.#dispatcher,
      turns,
      accessLog,
      events: this.events,
      figures: this.#figures,
      log,
      mustServe: (what) => this.#mustServe(what),
      upgrade: (program, environment) => this.#upgrade(program, environment),
      onReloading: options.onReloading,
    })
  }

  /**
   * Brings the workers up, then binds: nobody can connect before somebody can answer.
   *
   * @param takeOver - gets the listening socket of a predecessor, once the workers are ready
   * @throws HelloserverError `BOOT_FAILED`, `ADDRESS_TAKEN` or `BAD_CONFIG`; everything is undone by then.
   */
  async start(takeOver?: () => Promise<OfferedListener>): Promise<void> {
    try {
      await this.#pool.boot(this.deployer.config)
      this.#machine.apply('workers-ready')
      this.#machine.apply('lease-held', 'this host has the local lock')
      await this.#bind(await takeOver?.())
      // A stop may have come while the name was looked up.
      if (!this.#is('binding')) throw new HelloserverError('BOOT_FAILED', 'The service is stopping')
      this.#pool.open()
    } catch (error) {
      // A stop that came while it bound has closed it too early.
      this.#listeners.close()
      if (this.#machine.accepts('abort')) this.#machine.apply('abort', 'the start failed')
      await this.#drain.cut('the start failed')
      throw error
    }
    this.#machine.apply('bound')
    this.deployer.open(this.#options.inheritance?.upgradeBeganAtMs)
    this.#probe = setInterval(() => {
      this.#dispatcher.probe(probeEveryMs)
      this.#figures.look()
    }, probeEveryMs)
    this.#recycler.start()
  }

  /** What a predecessor tells while it finishes what it has in hand. */
  get heritage(): PredecessorListener {
    return {
      onConnection: (handle, id, ageMs) => {
        this.#accounts.takeFromInherited()
        this.#dispatcher.adopt(id, handle, ageMs)
      },
      onTally: (tally) => {
        this.#inherit(tally)
        for (const event of tally.events) this.events.adopt(event)
        this.#settled()
      },
      onGone: () => {
        this.#accounts.writeOff()
        this.#settled()
      },
    }
  }

  /** The process that is the service now, if another one is. */
  get successorPid(): number | undefined {
    return this.#handOver.successorPid
  }

  /** Pending while another process may become the service at any moment: a graceful stop waits for that. */
  get decided(): Promise<void> {
    return this.#handOver.decided
  }

  /** Serves what is queued and in hand, and ends the workers. The first cause wins. */
  stop(cause: string): Promise<StopResult> {
    const hasNothingToServe = !this.#is('serving') && this.#drain.status === null
    if (hasNothingToServe) return this.terminate(cause)
    return this.#drain.begin(cause, this.deployer.config)
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
    const { address } = this.#listeners
    const { state } = this.#machine
    return {
      name: this.#options.name,
      version,
      build: this.deployer.build,
      state: state === 'serving' && this.#pool.isDegraded ? 'degraded' : state,
      pid: process.pid,
      uptimeMs: Math.round(performance.now() - this.#startedMs),
      generation: this.#pool.current?.number ?? 0,
      listen: {
        host: address?.address ?? this.deployer.config.host,
        port: address?.port ?? this.deployer.config.port,
      },
      workers: this.#pool.slots.map((slot) => slot.status),
      queue: {
        length: this.#queue.length,
        max: this.#queue.max,
        oldestMs: Math.round(this.#queue.oldestMs),
      },
      connections: this.#accounts.counts,
      rates: this.#figures.rates,
      lastReload: this.deployer.last,
      drain: this.#drain.status,
      lease: null,
      supervisor: { attached: supervisorPid !== null, pid: supervisorPid },
      events: this.events.last(eventsShown),
    }
  }

  #is(state: PrimaryState): boolean {
    return this.#machine.state === state
  }

  async #bind(offered: OfferedListener | undefined): Promise<void> {
    const { host, port } = this.deployer.config
    const { inheritedFd } = this.#options
    if (inheritedFd !== undefined) await this.#listeners.adoptFd(inheritedFd, this.deployer.config)
    else if (offered?.host === host && [offered.port, offered.boundPort].includes(port)) {
      await this.#listeners.adopt(offered.handle, this.deployer.config)
    } else {
      // The configuration of a successor may have another address by now.
      await this.#listeners.listen(this.deployer.config)
      offered?.handle.close()
    }
  }

  /** Has another process take the service over; nothing changes when that cannot. */
  async #upgrade(program: string, environment: Environment): Promise<void> {
    const { reload } = this.deployer.config
    const { startSuccessor, lock, onHandedOver, onNotHandedOver } = this.#options
    const withinMs = successorPatience * reload.readyTimeoutMs
    const successor = startSuccessor(program, environment, withinMs)
    const estate = { ...this.#listeners.estate, lock: lock().handle }
    const onTaken = () => {
      this.#machine.apply('drain', `process ${successor.pid} has taken over`)
      this.#recycler.stop()
      onHandedOver(successor.pid, this.#bowOut())
    }
    try {
      await this.#handOver.perform(successor, estate, () => this.#mustServe('upgrade'), onTaken)
    } catch (error) {
      if (this.#is('serving')) await onNotHandedOver()
      throw error
    }
  }

  async #bowOut(): Promise<StopResult> {
    // The successor may listen elsewhere.
    await this.#listeners.finish()
    await this.#handOver.bowOut(this.#options.predecessorGone)
    clearInterval(this.#probe)
    if (this.#drain.status !== null) return this.terminate('it is ending already')
    if (this.#machine.accepts('drained')) this.#machine.apply('drained')
    return { dropped: 0 }
  }

  #inherit({ counts, figures }: Tally): void {
    this.#accounts.inherit(counts)
    this.#figures.inherit(figures)
  }

  #moved(from: PrimaryState, event: PrimaryEvent, to: PrimaryState, cause?: string): void {
    // After an upgrade it is this process that ends, and not the service.
    if (to === 'draining' && this.successorPid === undefined) {
      this.events.record('draining', { cause: cause ?? event })
    } else {
      this.#options.log.info({ from, event, to, cause }, `Now ${to}`)
    }
  }

  #settled(): void {
    this.#drain.advance()
    this.#handOver.settled()
  }

  #mustServe(what: string): void {
    if (this.#is('serving')) return
    if (this.successorPid !== undefined) throw handedOver(this.successorPid)
    throw new HelloserverError(
      'CONTROL_FAILED',
      `Cannot ${what} while the service is ${this.#machine.state}`,
    )
  }

  #drainMoved(event: DrainEvent, cause: string): void {
    if (event === 'workers-gone') clearInterval(this.#probe)
    // What would change the workers is given up.
    this.#recycler.stop()
    this.#pool.settle()
    this.#handOver.cancel()
    if (this.#drain.status?.phase === 'cutting') this.#options.onCut()
    const move = primaryEvents[event]
    if (move === undefined || !this.#machine.accepts(move)) return
    const isFirst = !this.#is('draining')
    this.#machine.apply(move, cause)
    if (isFirst) this.#options.onDraining(cause)
  }
}
