import { stat } from 'node:fs/promises'
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
import type { FigureTotals, Status } from '../status.ts'
import { Events } from '../telemetry/events.ts'
import type { Offer, PredecessorListener } from '../upgrade/predecessor.ts'
import { DataPath } from './data-path.ts'
import { Deployer } from './deployer.ts'
import { Drain, type StopResult } from './drain.ts'
import { HandOver } from '../upgrade/hand-over.ts'
import type { PrimaryOptions } from './primary-options.ts'
import { Recycler } from '../pool/recycler.ts'
import { Leadership } from './leadership.ts'
import { Mutex } from '../pool/mutex.ts'

/** How many of the last events the status has. */
const eventsShown = 20

/** The service on this host: one listening socket, one queue, a pool of workers, and their life cycle. */
export class Primary {
  readonly #options: PrimaryOptions
  readonly #machine: Machine<PrimaryState, PrimaryEvent>
  /** The events of the service. */
  readonly events: Events
  readonly #path: DataPath
  readonly #drain: Drain
  readonly #handOver: HandOver
  readonly #leadership: Leadership
  /** The code and configuration that run, and their reloads. */
  readonly deployer: Deployer
  readonly #recycler: Recycler
  readonly #startedMs = performance.now()
  #released: Promise<void> | undefined

  constructor(options: PrimaryOptions) {
    const { config, log } = options
    this.#options = options
    this.#machine = new Machine<PrimaryState, PrimaryEvent>(
      primaryTransitions,
      'starting',
      (from, event, to, cause) => this.#moved(from, event, to, cause),
    )
    this.events = new Events(log, options.inheritance?.events)
    const path = new DataPath(options, this.events, {
      mayHandOut: () => this.#leadership.lease.isValid(),
      onSettled: () => this.#settled(),
    })
    this.#path = path
    const { accounts, figures, room, dispatcher, pool, listeners, accessLog } = path
    this.#drain = new Drain(config, {
      accounts,
      dispatcher,
      pool,
      log,
      finishAccepting: () => listeners.finish(),
      stopAccepting: () => listeners.close(),
      onMove: (event, cause) => this.#drainMoved(event, cause),
    })
    this.#handOver = new HandOver({ accounts, dispatcher, pool, figures, events: this.events, log })
    this.#leadership = new Leadership({
      openLease: options.openLease,
      listeners,
      dispatcher,
      pool,
      machine: this.#machine,
      config: () => this.deployer.config,
      inheritedFd: options.inheritedFd,
      events: this.events,
      onServing: options.onServing,
    })
    // Reloads, scaling and recycling change the same workers.
    const mutex = new Mutex()
    this.#recycler = new Recycler(pool, mutex, figures, log)
    this.deployer = new Deployer({
      name: options.name,
      environment: options.environment,
      config,
      pool,
      listeners,
      room,
      dispatcher,
      figures,
      mutex,
      accessLog,
      events: this.events,
      log,
      mustRun: (what) => this.#mustRun(what),
      fleet: options.fleet,
      upgrade: (program, environment, readyTimeoutMs) =>
        this.#upgrade(program, environment, readyTimeoutMs),
      release: options.release,
      applyLog: options.applyLog,
      onReloading: (outcome) => {
        void outcome.then(() => this.#leadership.lookAgain())
        options.onReloading(outcome)
      },
      moveAdmin: options.moveAdmin,
    })
  }

  /**
   * Brings the workers up, then binds: no client can connect before a worker can answer. Resolves when the
   * service serves or stands by, because another host serves or this one does not have its address yet.
   *
   * @param takeOver - gets what a predecessor passes on, once the workers are ready
   * @throws HelloserverError `BOOT_FAILED`, `ADDRESS_TAKEN` or `BAD_CONFIG`; everything is undone by then.
   */
  async start(takeOver?: () => Promise<Offer>): Promise<void> {
    try {
      // Node.js aborts when it cannot create its thread pool at the first use: under a limit of processes,
      // better now than later.
      await stat('/')
      await this.#path.pool.boot(this.deployer.config)
      this.#machine.apply('workers-ready')
      const offer = await takeOver?.()
      this.#path.pool.open()
      await this.#leadership.begin(offer)
    } catch (error) {
      // A stop during the binding has closed the listeners too early.
      this.#path.listeners.close()
      if (this.#machine.accepts('abort')) this.#machine.apply('abort', 'the start failed')
      await this.terminate('the start failed')
      throw error
    }
    this.deployer.open(this.#options.inheritance?.upgradeBeganAtMs)
    this.#path.watch()
    this.#recycler.start()
  }

  /** Receives what a predecessor sends while it finishes its active connections. */
  get heritage(): PredecessorListener {
    return this.#path.heritage
  }

  /** The PID of the process that is the service now, if it is another one. */
  get successorPid(): number | undefined {
    return this.#handOver.successorPid
  }

  /** Sends a signal to the process that is the service now; false when it has died. */
  signalSuccessor(signal: NodeJS.Signals): boolean {
    return this.#handOver.signalSuccessor(signal)
  }

  /** Pending while another process may become the service at any moment: a graceful stop waits for that. */
  get decided(): Promise<void> {
    return this.#handOver.decided
  }

  /** Serves queued and active connections, and ends the workers. The first cause wins. */
  stop(cause: string): Promise<StopResult> {
    const isStarting = this.#is('starting') || this.#is('binding')
    if (isStarting && this.#path.accounts.unsettled === 0) return this.terminate(cause)
    return this.#afterRelease(this.#drain.begin(cause, this.deployer.config))
  }

  /** Stops accepting; accepted connections are not affected. */
  refuse(): void {
    this.#path.listeners.close()
  }

  /** Moves a stop that is under way to its next phase. */
  escalate(cause: string): void {
    this.#drain.escalate(cause)
  }

  /** Drops every connection and ends the workers. */
  terminate(cause: string): Promise<StopResult> {
    return this.#afterRelease(this.#drain.cut(cause))
  }

  /** This process was paused and continues. */
  resume(): void {
    this.#leadership.check()
    this.#path.pool.resetClocks()
  }

  status(supervisorPid: number | null): Status {
    const { address } = this.#path.listeners
    const { state } = this.#machine
    return {
      name: this.#options.name,
      version,
      build: this.deployer.build,
      state: state === 'serving' && this.#path.pool.isDegraded ? 'degraded' : state,
      pid: process.pid,
      rssBytes: process.memoryUsage.rss(),
      uptimeMs: Math.round(performance.now() - this.#startedMs),
      listen: {
        host: address?.address ?? this.deployer.config.host,
        port: address?.port ?? this.deployer.config.port,
      },
      ...this.#path.status,
      lastReload: this.deployer.last,
      drain: this.#drain.status,
      waiting: this.#leadership.waiting,
      lease: this.#leadership.lease.status,
      fleet: this.#options.fleet.status,
      supervisor: { attached: supervisorPid !== null, pid: supervisorPid },
      events: this.events.last(eventsShown),
    }
  }

  /** The figures since the service's start. */
  get totals(): FigureTotals {
    return this.#path.figures.totals
  }

  #is(state: PrimaryState): boolean {
    return this.#machine.state === state
  }

  /** Releases the lease for other hosts before this process is gone. */
  async #afterRelease(ending: Promise<StopResult>): Promise<StopResult> {
    const result = await ending
    await this.#handOver.cancelled()
    await this.#released
    this.#leadership.lease.close()
    return result
  }

  /** Has another process take over the service; nothing changes when it cannot. */
  async #upgrade(program: string, environment: Environment, readyTimeoutMs: number): Promise<void> {
    const { startSuccessor, lock, onHandingOver, onHandedOver, onNotHandedOver } = this.#options
    const successor = startSuccessor(program, environment, readyTimeoutMs)
    const onTaken = () => {
      this.#machine.apply('drain', `process ${successor.pid} has taken over`)
      this.#leadership.passOn()
      this.#recycler.stop()
      onHandedOver(successor.pid, this.#bowOut())
    }
    try {
      const estate = () => {
        onHandingOver()
        return this.#leadership.estate(lock())
      }
      const identity = {
        instance: this.#options.instance,
        restartOnly: this.deployer.restartOnly,
      }
      const mustRun = () => this.#mustRun('upgrade')
      await this.#handOver.perform(successor, identity, estate, mustRun, onTaken)
    } catch (error) {
      this.#leadership.takeBack()
      if (this.#is('serving') || this.#is('standby')) await onNotHandedOver()
      throw error
    }
  }

  async #bowOut(): Promise<StopResult> {
    // The successor may listen elsewhere, so the clients that have connected here by now are accepted.
    await this.#path.listeners.finish()
    await this.#handOver.bowOut(this.#options.predecessorGone)
    this.#leadership.lease.close()
    this.#path.unwatch()
    if (this.#drain.status !== null) return this.terminate('it is ending already')
    if (this.#machine.accepts('drained')) this.#machine.apply('drained')
    return { dropped: 0 }
  }

  #moved(from: PrimaryState, event: PrimaryEvent, to: PrimaryState, cause?: string): void {
    this.#options.fleet.changed()
    // After an upgrade, this process ends, not the service.
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

  #mustRun(what: string): void {
    if (this.#is('serving') || this.#is('standby')) return
    if (this.successorPid !== undefined) throw handedOver(this.successorPid)
    throw new HelloserverError(
      'CONTROL_FAILED',
      `Cannot ${what} while the service is ${this.#machine.state}`,
    )
  }

  #drainMoved(event: DrainEvent, cause: string): void {
    if (event === 'workers-gone') this.#path.unwatch()
    const { phase } = this.#drain.status ?? {}
    this.#leadership.end()
    // No more connections are handed out; another host need not wait for the active ones.
    if (phase === 'waiting-for-workers' || phase === 'cutting')
      this.#released ??= this.#leadership.release()
    // Any change of the workers that is under way is given up.
    this.#recycler.stop()
    this.#path.pool.settle()
    this.#handOver.cancel()
    if (phase === 'cutting') this.#options.onCut()
    const move = primaryEvents[event]
    if (move === undefined || !this.#machine.accepts(move)) return
    const isFirst = !this.#is('draining')
    this.#machine.apply(move, cause)
    if (isFirst) this.#options.onDraining(cause)
  }
}
