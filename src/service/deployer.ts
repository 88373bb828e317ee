import { buildId, ownProgramId, programId } from '../build-id.ts'
import { completedBy } from '../config/change-of-environment.ts'
import type { Environment } from '../config/environment.ts'
import { type Config, loadConfig, overridesOf } from '../config/load.ts'
import type { LogLevel } from '../config/log-levels.ts'
import {
  type RestartOnly,
  refuseRestartOnly,
  restartOnly,
  restartOnlyChange,
} from '../config/restart-only.ts'
import { deferred } from '../deferred.ts'
import type { Fleet } from '../fleet/fleet.ts'
import type { ReloadResult } from '../status.ts'
import type { Events } from '../telemetry/events.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { AccessLog } from '../connections/access-log.ts'
import type { Dispatcher } from '../connections/dispatcher.ts'
import type { Figures } from '../connections/figures.ts'
import type { Listeners, Move } from '../connections/listeners.ts'
import type { QueueRoom } from '../connections/queue-room.ts'
import type { Release } from './release.ts'
import { Reloader, type ReloadStep } from './reloader.ts'
import type { Mutex } from '../pool/mutex.ts'
import type { WorkerPool } from '../pool/worker-pool.ts'

/** The changes that a reload applies; omitted ones stay as they are. */
export interface ReloadRequest {
  /** Replaces the environment that the service was started with. */
  readonly environment: Environment
  /** The program that is to replace this one: the primary is replaced, not only its workers. */
  readonly program: string
  /** Proceeds even when that takes down more hosts than may be down at a time. */
  readonly force: boolean
}

export interface DeployerOptions {
  readonly name: string
  readonly environment: Environment
  readonly config: Config
  readonly pool: WorkerPool
  readonly listeners: Listeners
  readonly room: QueueRoom
  readonly dispatcher: Dispatcher
  readonly accessLog: AccessLog
  /** Serializes the operations that change the workers. */
  readonly mutex: Mutex
  readonly events: Events
  readonly figures: Figures
  readonly log: Logger
  /** Adapts the log to a configuration. */
  readonly applyLog: (config: Config) => void
  /** Throws when the service is starting or ending; `what` names the operation that was requested. */
  readonly mustRun: (what: string) => void
  /** The hosts that have a say in a reload. */
  readonly fleet: Fleet
  /** Has another process take over the service; nothing changes when it cannot. */
  readonly upgrade: (
    program: string,
    environment: Environment,
    readyTimeoutMs: number,
  ) => Promise<void>
  /** What this process was started from. */
  readonly release: Pick<Release, 'successorFor'>
  /** Called for each reload that begins; its outcome never rejects. */
  readonly onReloading: (outcome: Promise<ReloadResult>) => void
  /** Binds the address of the admin page, when the configuration has another one for it. */
  readonly moveAdmin: (config: Config) => Promise<Move>
}

/** The configuration, environment and build that run, and their replacement by those on disk. */
export class Deployer {
  readonly #options: DeployerOptions
  readonly #reloader: Reloader<ReloadRequest>
  readonly #started = deferred<void>()
  #config: Config
  #environment: Environment
  #build: string
  /** The settings that the environment overrides, in words. */
  #overrides: readonly string[]

  constructor(options: DeployerOptions) {
    this.#options = options
    this.#config = options.config
    this.#environment = options.environment
    this.#overrides = overridesOf(options.config, options.environment)
    this.#build = buildId(options.config.appModule, ownProgramId())
    this.#logAccess(options.config)
    this.#reloader = new Reloader({
      perform: (request, enter) => this.#perform(request, enter),
      onReload: options.onReloading,
      events: options.events,
      figures: options.figures,
      log: options.log,
    })
  }

  get config(): Config {
    return this.#config
  }

  /** The digest of the code that the workers run. */
  get build(): string {
    return this.#build
  }

  /** How the last reload ended; null before the first. */
  get last(): ReloadResult | null {
    return this.#reloader.last
  }

  /** The settings that cannot change while the service runs. */
  get restartOnly(): RestartOnly {
    return restartOnly(this.#options.name, this.#environment, this.#config)
  }

  /**
   * Why an upgrade cannot apply everything in `environment`, in a sentence; null when it can, or when the
   * configuration is bad, which makes the upgrade fail.
   */
  restartObstacle(environment: Environment = this.#environment): string | null {
    const { name, listeners } = this.#options
    let config: Config
    let wanted: RestartOnly
    try {
      config = loadConfig(name, environment)
      wanted = restartOnly(name, environment, config)
    } catch {
      // The successor finds the same error, and reports it.
      return null
    }
    return restartOnlyChange(this.restartOnly, wanted) ?? listeners.conflictWith(config) ?? null
  }

  /** Whether signals alone have requested another reload, which is due after the running one. */
  get isReloadOwed(): boolean {
    return this.#reloader.isOwed
  }

  /**
   * The service has started: reloads that were requested in the meantime may run now.
   *
   * @param upgradeBeganAtMs - when the upgrade that ends in this process began; undefined without one
   */
  open(upgradeBeganAtMs: number | undefined): void {
    if (upgradeBeganAtMs !== undefined) this.#reloader.conclude(upgradeBeganAtMs)
    this.#started.resolve()
  }

  /** Applies what is on disk: new workers, or with a `program` a whole new primary. */
  async reload(cause: string, request: Partial<ReloadRequest> = {}): Promise<ReloadResult> {
    // The start has read its configuration already: reloads that are requested meanwhile run after it.
    await this.#started.promise
    if (request.force === true) this.#options.fleet.escalate('reloading', cause)
    return this.#reloader.request(request, cause)
  }

  /** Reloads on a signal; nobody waits for the outcome. */
  async reloadOnSignal(signal: NodeJS.Signals): Promise<void> {
    await this.#started.promise
    this.#reloader.signal(signal)
  }

  /**
   * Sets the number of workers until the next reload.
   *
   * @throws HelloserverError `BOOT_FAILED` when a new one cannot become ready
   */
  async scale(workers: number): Promise<void> {
    const { mutex, mustRun, pool, events } = this.#options
    await mutex.run(async () => {
      mustRun('scale')
      await pool.scale(workers)
    })
    events.record('scaled', { workers })
  }

  /** Sets the log level of the primary and its workers until the next reload. */
  logAt(level: LogLevel): void {
    this.#options.log.level = level
    this.#options.pool.logAt(level)
  }

  /** An error here, before the last step is done, leaves everything as it was. */
  async #perform(
    { environment: given, program: asked, force = false }: Partial<ReloadRequest>,
    enter: (step: ReloadStep) => void,
  ): Promise<void> {
    const { name, mustRun, fleet, mutex, upgrade, release } = this.#options
    mustRun('reload')
    const environment =
      given === undefined ? this.#environment : completedBy(this.#environment, given)
    const program = asked ?? release.successorFor(environment)
    const runs = this.restartOnly
    if (program !== undefined) {
      // The successor reads the configuration, and finds any other setting that cannot change.
      refuseRestartOnly(runs, restartOnly(name, environment, this.#config))
      enter('fleet')
      const { readyTimeoutMs, ...foreseen } = this.#foresee(environment, program)
      await fleet.deploy({ ...foreseen, force }, async () => {
        enter('successor')
        await mutex.run(() => upgrade(program, environment, readyTimeoutMs))
      })
      return
    }
    const config = loadConfig(name, environment)
    this.#tellOverrides(config, environment)
    refuseRestartOnly(runs, restartOnly(name, environment, config))
    const onDisk = programId()
    const build = buildId(config.appModule, onDisk)
    // Workers of another release may fail under this primary but not under their own: their build is not judged.
    const judged = onDisk === ownProgramId() ? build : undefined
    enter('fleet')
    await fleet.deploy({ build: judged, isReduction: this.#reduces(config), force }, () =>
      mutex.run(() => this.#exchange(config, environment, build, enter)),
    )
  }

  /** Logs the overrides that are new since the last time. */
  #tellOverrides(config: Config, environment: Environment): void {
    const overrides = overridesOf(config, environment)
    for (const one of overrides) if (!this.#overrides.includes(one)) this.#options.log.info(one)
    this.#overrides = overrides
  }

  async #exchange(
    config: Config,
    environment: Environment,
    build: string,
    enter: (step: ReloadStep) => void,
  ): Promise<void> {
    const { pool, mustRun } = this.#options
    mustRun('reload')
    enter('address')
    const move = await this.#move(config)
    try {
      enter('canary')
      await pool.reload(config, () => enter('workers'))
    } catch (error) {
      await move.cancel()
      throw error
    }
    await move.finish()
    this.#apply(config)
    this.#environment = environment
    this.#build = build
  }

  /** Predicts what an upgrade changes, as far as this release can read the configuration of the next. */
  #foresee(
    environment: Environment,
    program: string,
  ): { build: string | undefined; isReduction: boolean; readyTimeoutMs: number } {
    const { readyTimeoutMs } = this.#config.reload
    try {
      const config = loadConfig(this.#options.name, environment)
      return {
        build: buildId(config.appModule, programId(program)),
        isReduction: this.#reduces(config),
        // A slower app may bring a longer timeout.
        readyTimeoutMs: Math.max(readyTimeoutMs, config.reload.readyTimeoutMs),
      }
    } catch {
      // The successor reads the configuration itself, and reports its errors.
      return { build: undefined, isReduction: false, readyTimeoutMs }
    }
  }

  #reduces({ workers }: Config): boolean {
    return workers < this.#config.workers
  }

  async #move(config: Config): Promise<Move> {
    const own = await this.#options.listeners.move(config)
    try {
      const admin = await this.#options.moveAdmin(config)
      const both = [own, admin]
      return {
        finish: async () => {
          for (const move of both) await move.finish()
        },
        cancel: async () => {
          for (const move of both) await move.cancel()
        },
      }
    } catch (error) {
      await own.cancel()
      throw error
    }
  }

  #apply(config: Config): void {
    const { room, dispatcher } = this.#options
    room.apply(config)
    dispatcher.clients.max = config.queue.maxPerClient
    this.logAt(config.logLevel)
    this.#options.applyLog(config)
    this.#logAccess(config)
    this.#config = config
  }

  #logAccess({ log: { access } }: Config): void {
    const { dispatcher, accessLog } = this.#options
    dispatcher.notePeers(access)
    accessLog.isOn = access
  }
}
