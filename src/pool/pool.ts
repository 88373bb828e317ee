import { availableCpus } from '../config/cpus.ts'
import type { Config } from '../config/load.ts'
import type { LogLevel } from '../config/log-levels.ts'
import type { EndpointTable } from '../connections/endpoint-table.ts'
import type { WorkerHandOff } from '../connections/hand-off.ts'
import type { QueueRoom, WorkerCounts } from '../connections/queue-room.ts'
import type { Stats } from '../connections/stats.ts'
import { HelloserverError, stopping } from '../errors.ts'
import type { ToWorker, WorkerLease } from '../ipc/worker-messages.ts'
import type { Orphans } from '../rescue/orphans.ts'
import { patienceMs } from '../rescue/patience.ts'
import type { Events } from '../telemetry/events.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { WorkerOutput } from '../telemetry/worker-output.ts'
import { Boot } from './boot.ts'
import { Respawns } from './respawns.ts'
import { rollOut } from './rollout.ts'
import { type SlotContext, type SlotListener, WorkerSlot } from './slot.ts'
import { Watchdog } from './watchdog.ts'
import { describeExit, type WorkerExit } from './worker-exit.ts'
import { forkWorkersFrom } from './worker-process.ts'

/** How often to start a worker that dies before it is ready without giving a reason; then its start has failed. */
const maxBootTries = 3

export interface PoolOptions {
  readonly service: string
  readonly runDir: string
  /** Absolute path of the worker program. */
  readonly workerModule: string
  /** Whether a worker may start another primary when this one was killed. */
  readonly startsPrimary: boolean
  /** The workers of a primary that was killed; undefined when there is none. */
  readonly orphans: Orphans | undefined
  readonly handOff: WorkerHandOff
  readonly room: QueueRoom
  readonly endpoints: EndpointTable
  readonly stats: Stats
  readonly output: Pick<WorkerOutput, 'open'>
  readonly events: Events
  readonly log: Logger
}

/**
 * The workers of one configuration.
 *
 * After a failed reload, a worker of the failed generation may for a while stand in for one of this generation
 * that it had replaced: then the slot's own generation is that other one.
 */
export interface Generation {
  readonly number: number
  readonly config: Config
  readonly slots: WorkerSlot[]
}

/**
 * All workers, of every generation: brings them up, lets them serve, restarts those that die, and ends them.
 *
 * The wanted workers (`#wanted`) are kept apart from the existing ones (`#slots`), so that the end of a
 * process needs no flag to say what to do about it; and those that take connections (`#serving`) from those
 * that merely exist.
 *
 * `boot`, `reload`, `scale` and `replace` change the same workers: the caller ensures that they run one at a time.
 */
export class WorkerPool implements WorkerCounts, SlotListener {
  readonly #options: PoolOptions
  readonly #slotContext: SlotContext
  readonly #watchdog: Watchdog
  readonly #slots = new Set<WorkerSlot>()
  readonly #wanted = new Map<WorkerSlot, Generation>()
  readonly #serving = new Set<WorkerSlot>()
  readonly #respawns: Respawns
  /** How many workers may load their code at a time. */
  readonly #loadingAtATime = 2 * availableCpus()
  /** Called whenever a slot is removed. */
  readonly #departures = new Set<() => void>()
  #current: Generation | undefined
  #lastGeneration: number
  /** The workers that are being brought up. */
  #boot: Boot | undefined
  #isFrozen = false
  #lease: WorkerLease = { grant: null, abortAtMs: null }
  /** Overrides the log level in the workers' configurations; undefined unless another one was requested. */
  #logLevel: LogLevel | undefined

  /** @param lastGeneration - generations are numbered from the next one on */
  constructor(options: PoolOptions, lastGeneration = 0) {
    const { runDir, workerModule, handOff, room, endpoints, stats, output, events, log } = options
    this.#options = options
    this.#lastGeneration = lastGeneration
    this.#slotContext = { runDir, handOff, output, listener: this, log }
    this.#watchdog = new Watchdog(this.#slots, handOff, log)
    this.#respawns = new Respawns(events, stats)
    room.follow(this)
    endpoints.follow(() => this.#tellAll({ kind: 'endpoints', endpoints: endpoints.all }))
    forkWorkersFrom(workerModule)
  }

  /** Applies `logLevel` to the workers; all other settings concern only the workers that are brought up with them. */
  apply({ logLevel }: Pick<Config, 'logLevel'>): void {
    this.#logLevel = undefined
    this.#tellAll({ kind: 'log-level', level: logLevel })
  }

  /** The generation that takes connections, if there is one yet. */
  get current(): Generation | undefined {
    return this.#current
  }

  /** The number of the last generation that was brought up, successfully or not. */
  get lastGeneration(): number {
    return this.#lastGeneration
  }

  get size(): number | undefined {
    return this.#current?.slots.length
  }

  get slotCount(): number {
    return this.#slots.size
  }

  /** Every slot that has, had or awaits a process, oldest generation first. */
  get slots(): WorkerSlot[] {
    return [...this.#slots].toSorted((a, b) => a.generation - b.generation || a.number - b.number)
  }

  /** Whether a worker of the current generation is in a crash loop. */
  get isDegraded(): boolean {
    return this.#current?.slots.some((slot) => slot.isLooping) ?? false
  }

  /** Whether a worker was offered a connection that it has not claimed yet. */
  get hasUnclaimed(): boolean {
    return [...this.#slots].some((slot) => slot.hasUnclaimed)
  }

  /** Whether the pool takes on no more workers, because the service ends. */
  get isFrozen(): boolean {
    return this.#isFrozen
  }

  /**
   * Brings up the first generation; it takes no connections before `serve`.
   *
   * @throws HelloserverError `BOOT_FAILED` with what a worker reported, or how it died; none is left by then
   */
  async boot(config: Config): Promise<void> {
    const first = this.#newGeneration(config)
    first.slots.push(...(await this.add(first, 1, config.workers)))
    this.#current = first
  }

  /** Lets the first generation take connections. */
  serve(): void {
    for (const slot of this.#current?.slots ?? []) this.activate(slot)
  }

  /**
   * Brings up a generation and lets it take over.
   *
   * @param onCanaryReady - called when the first new worker is ready
   * @throws HelloserverError `BOOT_FAILED`: the previous generation keeps serving, with as many workers
   */
  async reload(config: Config, onCanaryReady: () => void): Promise<void> {
    const next = this.#newGeneration(config)
    await rollOut(this, this.#mustHave(), next, onCanaryReady)
    this.#current = next
  }

  /**
   * Sets the number of workers of the current generation; resolves when the new ones are ready.
   *
   * @throws HelloserverError `BOOT_FAILED` when one cannot become ready: the number stays what it was.
   */
  async scale(workers: number): Promise<void> {
    const current = this.#mustHave()
    const { slots } = current
    for (const slot of slots.splice(workers)) this.retire(slot, 'scaled down')
    for (const slot of await this.add(current, slots.length + 1, workers - slots.length)) {
      slots.push(slot)
      this.activate(slot)
    }
  }

  /**
   * Replaces a worker of a generation with a fresh one: that one becomes ready first, then the old one retires
   * after its active connection. Resolves when the fresh one serves.
   *
   * @throws HelloserverError `BOOT_FAILED` when the fresh one cannot become ready: the old one keeps serving.
   */
  async replace(generation: Generation, slot: WorkerSlot, cause: string): Promise<void> {
    for (const fresh of await this.add(generation, slot.number, 1)) {
      generation.slots.splice(generation.slots.indexOf(slot), 1, fresh)
      this.activate(fresh)
    }
    this.retire(slot, cause)
  }

  /**
   * Brings up `count` workers of a generation, numbered from `first`; they take no connections yet. If one of
   * them cannot become ready, all of them are ended again. One call at a time.
   *
   * @throws HelloserverError `BOOT_FAILED` with what the worker reported, or how it died; `CANNOT_SPAWN`; `STOPPING`
   */
  async add(generation: Generation, first: number, count: number): Promise<WorkerSlot[]> {
    if (this.#isFrozen) throw stopping()
    this.#options.room.admit(count)
    this.#watchdog.start()
    const added = Array.from({ length: count }, (_, at) => this.#newSlot(first + at, generation))
    const boot = new Boot(added, (slot) => this.#spawn(slot, generation), this.#loadingAtATime)
    this.#boot = boot
    boot.begin()
    try {
      await boot.ready
      return added
    } catch (error) {
      for (const slot of added)
        this.retire(slot, 'a worker that was started with it could not get ready')
      throw error
    } finally {
      this.#boot = undefined
    }
  }

  /** Lets this slot's workers take connections from now on. */
  activate(slot: WorkerSlot): void {
    this.#serving.add(slot)
    this.#addIfIdle(slot)
  }

  /** Assigns this slot's next process to `generation`. */
  assign(slot: WorkerSlot, generation: Generation): void {
    this.#wanted.set(slot, generation)
  }

  /** Gives this slot no more connections, and ends its worker after its active one. */
  retire(slot: WorkerSlot, cause: string): void {
    this.#wanted.delete(slot)
    this.#serving.delete(slot)
    this.#respawns.cancel(slot)
    // A worker that is not ready yet has nothing to finish.
    if (slot.state === 'starting') slot.kill(cause)
    else slot.retire(cause)
    if (slot.state === 'empty') this.#remove(slot)
  }

  /** Resolves when the processes of these retired slots have ended. */
  async gone(slots: readonly WorkerSlot[]): Promise<void> {
    const areGone = () => !slots.some((slot) => this.#slots.has(slot))
    if (areGone()) return
    await new Promise<void>((resolve) => {
      const check = () => {
        if (!areGone()) return
        this.#departures.delete(check)
        resolve()
      }
      this.#departures.add(check)
    })
  }

  /** Tells every worker under which lease it serves the connections that it is offered from now on. */
  tellLease(lease: WorkerLease): void {
    this.#lease = lease
    this.#tellAll({ kind: 'lease', ...lease })
  }

  /** Sets the log level of all workers, present and future, until a configuration is applied. */
  logAt(level: LogLevel): void {
    this.#logLevel = level
    this.#tellAll({ kind: 'log-level', level })
  }

  /** This process was paused: the workers' silence during the pause proves nothing. */
  resetClocks(): void {
    this.#watchdog.resetClocks()
  }

  /** Takes on no more workers and gives up those that are not ready; workers that die are still restarted. */
  freeze(): void {
    this.#isFrozen = true
    this.#tellAll({ kind: 'ending' })
    this.#boot?.fail(stopping())
  }

  /** Ends every worker after its active connection. Resolves when all are gone. */
  async close(): Promise<void> {
    this.freeze()
    for (const slot of this.#slots) this.retire(slot, 'the service is stopping')
    this.retireOrphans(this.#current?.config)
    await this.gone([...this.#slots])
    await this.#options.orphans?.gone
    this.#watchdog.stop()
  }

  /** Ends the workers of a primary that was killed after their active connections, by force if it takes too long. */
  retireOrphans(config: Config | undefined): void {
    this.#options.orphans?.retire(config === undefined ? 0 : patienceMs(config))
  }

  /** Has every worker drop its connection; kills those that are left after `graceMs`. */
  async terminate(graceMs: number): Promise<void> {
    for (const slot of this.#slots) slot.terminate()
    this.#options.orphans?.terminate()
    const killing = setTimeout(() => {
      for (const slot of this.#slots) slot.kill('did not end in time')
      this.#options.orphans?.kill()
    }, graceMs)
    await this.close()
    clearTimeout(killing)
  }

  onLoaded(slot: WorkerSlot): void {
    this.#boot?.onLoaded(slot)
  }

  onReady(slot: WorkerSlot): void {
    slot.tell({ kind: 'lease', ...this.#lease })
    // It may have been started before there were others.
    const { all } = this.#options.endpoints
    if (all.length > slot.endpointsAtBoot) slot.tell({ kind: 'endpoints', endpoints: all })
    // It may have been started before the level was changed.
    const level = this.#logLevel ?? this.#wanted.get(slot)?.config.logLevel
    if (level !== undefined && level !== slot.config?.logLevel) {
      slot.tell({ kind: 'log-level', level })
    }
    if (this.#boot?.awaits(slot)) this.#boot.markReady(slot)
    this.#addIfIdle(slot)
  }

  /** The worker is on its way out, and is replaced when it has ended. */
  onUnfit(slot: WorkerSlot, reason: string): void {
    const { number, generation, pid: workerPid = 0 } = slot
    this.#options.events.record('worker-unfit', { slot: number, generation, workerPid, reason })
  }

  /** A worker that is no longer wanted leaves with its slot; any other is started again. */
  onExit(slot: WorkerSlot, exit: WorkerExit): void {
    const cause = describeExit(exit)
    this.#options.handOff.lost(slot, exit, cause)
    this.#boot?.onLoaded(slot)
    const generation = this.#wanted.get(slot)
    if (generation === undefined) {
      this.#remove(slot)
      return
    }
    const hasReason = exit.failure !== undefined || exit.reason !== undefined
    if (this.#boot?.awaits(slot) && (hasReason || slot.failures >= maxBootTries)) {
      const notReady = `Worker ${slot.number} could not get ready: ${cause}`
      this.#boot.fail(exit.failure ?? new HelloserverError('BOOT_FAILED', notReady))
      return
    }
    this.#respawns.begin(slot, exit, () => this.#spawn(slot, this.#wanted.get(slot) ?? generation))
  }

  #newGeneration(config: Config): Generation {
    this.#lastGeneration += 1
    return { number: this.#lastGeneration, config, slots: [] }
  }

  #mustHave(): Generation {
    if (this.#current !== undefined) return this.#current
    throw new HelloserverError('CONTROL_FAILED', 'The service is not serving yet')
  }

  #newSlot(number: number, generation: Generation): WorkerSlot {
    const slot = new WorkerSlot(number, generation.number, this.#slotContext)
    this.#slots.add(slot)
    this.#wanted.set(slot, generation)
    return slot
  }

  #spawn(slot: WorkerSlot, { number: generation, config }: Generation): void {
    const { service, endpoints } = this.#options
    const logLevel = this.#logLevel ?? config.logLevel
    slot.spawn({
      kind: 'boot',
      service,
      slot: slot.number,
      generation,
      config: { ...config, logLevel },
      handOff: this.#options.handOff.kind,
      startsPrimary: this.#options.startsPrimary,
      endpoints: endpoints.all,
    })
  }

  /** Makes a worker available to the hand-off if it is idle and takes connections. */
  #addIfIdle(slot: WorkerSlot): void {
    if (slot.isIdle && this.#serving.has(slot)) this.#options.handOff.addIdle(slot)
  }

  #remove(slot: WorkerSlot): void {
    this.#slots.delete(slot)
    for (const check of this.#departures) check()
  }

  #tellAll(message: ToWorker): void {
    for (const slot of this.#slots) slot.tell(message)
    this.#options.orphans?.tell(message)
  }
}
