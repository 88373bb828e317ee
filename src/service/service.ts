import { fileURLToPath } from 'node:url'
import { Admin } from '../admin/admin.ts'
import type { AdminTarget } from '../admin/service-interface.ts'
import { ownProgramId } from '../build-id.ts'
import type { Environment } from '../config/environment.ts'
import { type Config, overridesOf } from '../config/load.ts'
import type { LogLevel } from '../config/log-levels.ts'
import { redisTarget } from '../config/redis.ts'
import { type RestartOnly, restartOnly } from '../config/restart-only.ts'
import type { RunFiles } from '../config/run-dir.ts'
import { Connections } from '../connections/connections.ts'
import type { DispatcherOwner } from '../connections/dispatcher.ts'
import type { ControlTarget } from '../control/protocol.ts'
import { ControlServer } from '../control/server.ts'
import { HelloserverError } from '../errors.ts'
import type { Fleet, FleetOperations, FleetView } from '../fleet/fleet.ts'
import type { PrimaryState } from '../lifecycle/primary-states.ts'
import { chooseHandOff } from '../native/choose-hand-off.ts'
import { Mutex } from '../pool/mutex.ts'
import { WorkerPool } from '../pool/pool.ts'
import { Recycler } from '../pool/recycler.ts'
import type { ReloadResult, StatsTotals, Status } from '../status.ts'
import { Events } from '../telemetry/events.ts'
import type { LogFile } from '../telemetry/log-file.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { ServiceLog } from '../telemetry/service-log.ts'
import { WorkerOutput } from '../telemetry/worker-output.ts'
import { type Keyring, readKeys } from '../tls/keyring.ts'
import type { Predecessor } from '../upgrade/predecessor.ts'
import { Upgrade } from '../upgrade/upgrade.ts'
import type { HandoverState } from '../upgrade/upgrade-messages.ts'
import { Announcements } from './announcements.ts'
import type { CleanupStack } from './cleanup-stack.ts'
import { Continuity } from './continuity.ts'
import type { StopResult } from './drain.ts'
import { Ending } from './ending.ts'
import { KeptFiles } from './kept-files.ts'
import { Leadership, type LeadershipListener } from './leadership.ts'
import { PublicFiles } from './public-files.ts'
import { ownRelease, type Release } from './release.ts'
import { type ReloadListener, ReloadQueue } from './reload-queue.ts'
import { type ReloadRequest, type ReloadStep, reloadSteps } from './reload-steps.ts'
import { restartObstacle } from './restart-obstacle.ts'
import { RunningProgram } from './running-program.ts'
import { ServiceLifecycle } from './service-lifecycle.ts'
import type { Mode, ServiceOptions } from './service-options.ts'
import { serviceStatus } from './service-status.ts'
import { Start } from './start.ts'

const workerModule = fileURLToPath(new URL('../bin/work.js', import.meta.url))

/**
 * The service on this host, from its start to its end: one listening socket, one queue, a pool of workers, and
 * everything by which it is reached.
 */
export class Service
  implements
    ControlTarget,
    AdminTarget,
    DispatcherOwner,
    LeadershipListener,
    ReloadListener<ReloadRequest>
{
  readonly lifecycle = new ServiceLifecycle(this)
  readonly files: RunFiles
  readonly mode: Mode
  readonly log: Logger
  readonly logFile: LogFile | undefined
  readonly stack: CleanupStack
  readonly programId = ownProgramId()
  readonly program: RunningProgram
  readonly events: Events
  readonly connections: Connections
  readonly pool: WorkerPool
  readonly leadership: Leadership
  /** The hosts that share a Redis with this one. */
  readonly fleet: Fleet
  readonly control: ControlServer
  readonly admin: Admin
  readonly publicFiles: PublicFiles
  readonly announcements: Announcements
  readonly reloads: ReloadQueue<ReloadRequest>
  readonly upgrades: Upgrade
  readonly ending: Ending
  readonly recycler: Recycler
  readonly continuity: Continuity
  /** Reloads, scaling and recycling change the same workers. */
  readonly mutex = new Mutex()
  readonly predecessor: Predecessor | undefined
  readonly #start: Start
  readonly #instance: string | undefined
  readonly #serviceLog: ServiceLog
  readonly #startedMs = performance.now()
  #release: Release
  /** The settings that the environment overrides, as last logged. */
  #overrides: readonly string[]

  constructor(options: ServiceOptions) {
    const { files, environment, config, serviceLog, logFile, origin, membership } = options
    const { logger: log } = serviceLog
    const state = origin.kind === 'upgrade' ? origin.state : undefined
    this.files = files
    this.mode = options.mode
    this.log = log
    this.logFile = logFile
    this.stack = options.stack
    this.#start = new Start(this, origin)
    this.predecessor = origin.kind === 'upgrade' ? origin.predecessor : undefined
    this.#serviceLog = serviceLog
    this.announcements = new Announcements(this, options.notifier)
    this.#instance = membership.instance
    this.fleet = membership.fleet
    this.program = new RunningProgram(environment)
    this.#release = ownRelease(environment, config)
    this.#overrides = overridesOf(config, environment)
    const rescued = origin.kind === 'start' ? origin.rescued : undefined
    this.events = new Events(log, state?.events ?? rescued?.notes.events)
    const { events } = this
    const choice = chooseHandOff(environment)
    this.continuity = new Continuity(this, choice.native, rescued)
    const { keeping } = this.continuity
    const lastId = state?.lastConnectionId ?? rescued?.notes.lastConnectionId
    this.connections = new Connections(config, this, events, log, lastId, choice, keeping)
    if (state !== undefined) this.connections.inherit(state.counts, state.figures)
    const { handOff, room, stats } = this.connections
    const { endpoints } = this.connections.listeners
    endpoints.equip(origin.kind === 'start' ? origin.keyring : new Map(state?.keyring))
    if (origin.kind === 'upgrade') endpoints.equip(this.readKeys(config))
    const output = new WorkerOutput(serviceLog, log)
    const { name: service, runDir } = files
    this.pool = new WorkerPool(
      {
        service,
        runDir,
        workerModule,
        startsPrimary: this.mode === 'daemon' && redisTarget(environment) === undefined,
        orphans: rescued?.orphans,
        handOff,
        room,
        endpoints,
        stats,
        output,
        events,
        log,
      },
      state?.generation ?? rescued?.notes.generation,
    )
    this.leadership = new Leadership(
      {
        openLease: membership.openLease,
        connections: this.connections,
        pool: this.pool,
        inherited: origin.kind === 'start' ? origin.inherited : [],
        config,
        events,
      },
      this,
    )
    this.recycler = new Recycler(config, this.pool, this.mutex, stats, log)
    this.reloads = new ReloadQueue(this, events, stats, log)
    this.upgrades = new Upgrade(this)
    this.ending = new Ending(this)
    this.control = new ControlServer(this, ({ pid, isRestart }) => {
      log.warn(
        { bridgePid: pid },
        `${isRestart ? 'pm2 was restarting the bridge' : 'The bridge is gone'}, but no other bridge has attached; the service continues without pm2 until "pm2 start" attaches one`,
      )
    })
    this.admin = new Admin(this, log)
    this.stack.push('page', () => this.admin.close())
    const sockets = () => [...this.connections.listeners.kept, ...this.continuity.kept]
    const kept = new KeptFiles(files, logFile, sockets, this.events, log)
    const lock = origin.kind === 'start' ? origin.lock : undefined
    this.publicFiles = new PublicFiles(files, this.stack, this.control, kept, lock)
  }

  get state(): PrimaryState {
    return this.lifecycle.state
  }

  /** The release that runs. */
  get release(): Release {
    return this.#release
  }

  get config(): Config {
    return this.#release.config
  }

  get fleetOperations(): FleetOperations {
    return this.fleet.operations
  }

  /** The settings that cannot change while the service runs. */
  get restartOnly(): RestartOnly {
    return restartOnly(this.files.name, this.#release.environment, this.config)
  }

  /** The properties by which a process is this service in its fleet; an upgrade cannot change them. */
  get identity(): Pick<HandoverState, 'instance' | 'restartOnly'> {
    return { instance: this.#instance, restartOnly: this.restartOnly }
  }

  status(): Status {
    return serviceStatus(this, this.#startedMs)
  }

  /**
   * Reads the TLS of a configuration's endpoints.
   *
   * @throws HelloserverError `BAD_CONFIG` when it cannot be used
   */
  readKeys({ listen }: Config): Keyring {
    const { keyring, warnings } = readKeys(listen, this.connections.listeners.endpoints.keyring)
    for (const warning of warnings) this.log.warn(warning)
    return keyring
  }

  totals(): StatsTotals {
    this.connections.handOff.settle()
    return this.connections.stats.totals
  }

  subscribe(listener: () => void): () => void {
    return this.events.subscribe(listener)
  }

  fleetView(): Promise<FleetView> | undefined {
    return this.fleet.status === null ? undefined : this.fleet.operations.view()
  }

  /** Starts the service. Resolves and throws as `Start.run` does. */
  start(): Promise<void> {
    return this.#start.run()
  }

  /** Resolves when the service has ended, and has answered all callers. */
  async ended(): Promise<void> {
    await this.ending.ended
    await this.control.farewell()
  }

  onGranted(cause: string): boolean {
    return this.lifecycle.move('lease-held', cause)
  }

  /** The first workers are ready. */
  onWorkersReady(): void {
    this.lifecycle.apply('workers-ready')
  }

  onBound(): void {
    this.lifecycle.apply('bound')
    this.announcements.serving()
  }

  onStandDown(cause: string): boolean {
    return this.lifecycle.move('stand-down', cause)
  }

  mayHandOut(): boolean {
    return this.leadership.lease.isValid()
  }

  /** A connection has ended, here or in the predecessor. */
  onClosed(): void {
    this.ending.onClosed()
    this.upgrades.onClosed()
  }

  /** Replaces the workers by those on disk, with the configuration there. */
  async reload(cause: string, request: Partial<ReloadRequest> = {}): Promise<ReloadResult> {
    // The start has read its configuration already: reloads that are requested meanwhile run after it.
    await this.#start.done
    if (request.force === true) this.fleet.escalate('reloading', cause)
    const result = await this.reloads.request(request, cause)
    // If another process became the service before the reload could begin, the reload is that process's task.
    if (result.outcome === 'failed') this.lifecycle.mustBeTheService()
    return result
  }

  /** Replaces this process itself, by `request.program` or by what is on disk in its place. */
  async upgrade(cause: string, request: Partial<ReloadRequest> = {}): Promise<ReloadResult> {
    this.refuseInForeground()
    return this.reload(cause, { program: this.program.path, ...request })
  }

  /**
   * The parent of a service in the foreground waits for the end of this very process, not of a
   * successor.
   *
   * @throws HelloserverError `CONTROL_FAILED`
   */
  refuseInForeground(): void {
    if (this.mode !== 'foreground') return
    throw new HelloserverError(
      'CONTROL_FAILED',
      'A service in the foreground cannot be upgraded, and so cannot be given another environment or moved to another folder; end it and run it again',
    )
  }

  /** Reloads on a signal, whose sender does not wait for the outcome. */
  async reloadOnSignal(signal: NodeJS.Signals): Promise<void> {
    await this.#start.done
    this.reloads.signal(signal)
  }

  stepsOf(request: Partial<ReloadRequest>): readonly ReloadStep[] {
    return reloadSteps(this, request)
  }

  onReload(outcome: Promise<ReloadResult>): void {
    void outcome.then(() => this.leadership.lookAgain())
    this.announcements.reloading(outcome)
  }

  /** Applies what a reload has put in place. */
  apply(release: Release): void {
    const { config } = release
    this.#release = release
    this.connections.apply(config)
    this.pool.apply(config)
    this.recycler.apply(config)
    this.fleet.apply(config.fleet)
    this.leadership.apply(config)
    this.ending.apply(config)
    this.#serviceLog.apply(config)
  }

  /** Logs the settings that the environment overrides, as far as they were not logged before. */
  logOverrides({ config, environment }: Release): void {
    const overrides = overridesOf(config, environment)
    for (const one of overrides) if (!this.#overrides.includes(one)) this.log.info(one)
    this.#overrides = overrides
  }

  /**
   * Sets the number of workers until the next reload.
   *
   * @throws HelloserverError `BOOT_FAILED` when a new one cannot become ready
   */
  async scale(workers: number): Promise<void> {
    await this.mutex.run(async () => {
      this.lifecycle.mustRun('scale')
      await this.pool.scale(workers)
    })
    this.events.record('scaled', { workers })
  }

  /** Sets the log level of the primary and its workers until the next reload. */
  logAt(level: LogLevel): void {
    this.log.level = level
    this.pool.logAt(level)
  }

  /**
   * @returns as `restartObstacle` does
   * @throws HelloserverError `HANDED_OVER` when another process is the service and must be asked instead
   */
  async restartObstacle(
    environment: Environment = this.#release.environment,
  ): Promise<string | null> {
    await this.upgrades.decided
    this.lifecycle.mustBeTheService()
    return restartObstacle(this, environment)
  }

  stop(cause: string, force: boolean): Promise<StopResult> {
    return this.ending.stop(cause, force)
  }

  /** This process was paused and continues. */
  resume(): void {
    this.leadership.check()
    this.pool.resetClocks()
  }
}
