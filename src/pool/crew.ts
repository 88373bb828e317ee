import cluster from 'node:cluster'
import type { LogLevel } from '../config/log-levels.ts'
import { debuggerArguments } from '../debugger.ts'
import { HelloserverError, stopping } from '../errors.ts'
import { defaultRespawnPolicy as policy, respawnDelayMs } from '../lifecycle/respawn.ts'
import type { WorkerLease } from '../ipc/worker-messages.ts'
import type { Events } from '../telemetry/events.ts'
import type { Logger } from '../telemetry/logger.ts'
import { Boot } from './boot.ts'
import type { Dispatcher } from '../connections/dispatcher.ts'
import type { Stats } from '../connections/stats.ts'
import type { Generation } from './generation.ts'
import type { SlotListener } from './slot-listener.ts'
import { Watchdog } from './watchdog.ts'
import { describeEnd, restartCause, type WorkerEnd } from './worker-end.ts'
import { WorkerSlot } from './worker-slot.ts'

/** How often to start a worker that dies before it is ready without giving a reason; then its start has failed. */
const maxBootTries = 3

export interface CrewOptions {
  readonly service: string
  readonly runDir: string
  /** Absolute path of the worker program. */
  readonly workerModule: string
  readonly dispatcher: Dispatcher
  readonly log: Logger
  readonly events: Events
  readonly figures: Stats
  /** Throws `CANNOT_SPAWN` when there is no room for this many more workers. */
  readonly admit: (workers: number) => void
  /** Creates the sink for the output of a worker's process. */
  readonly openOutput: SlotListener['openOutput']
}

/**
 * All workers, of every generation: starts them, restarts those that die, and ends them.
 *
 * The wanted workers (`#wanted`) are kept apart from the existing ones (`#slots`), so that the end of a
 * process needs no flag to say what to do about it; and those that take connections (`#serving`) from those
 * that merely exist.
 */
export class Crew {
  readonly #options: CrewOptions
  readonly #slots = new Set<WorkerSlot>()
  readonly #wanted = new Map<WorkerSlot, Generation>()
  readonly #serving = new Set<WorkerSlot>()
  readonly #respawns = new Map<WorkerSlot, NodeJS.Timeout>()
  readonly #watchdog: Watchdog
  readonly #departures = new Set<() => void>()
  #boot: Boot | undefined
  #isClosed = false
  #lease: WorkerLease = { grant: null, abortAtMs: null }
  /** Overrides the log level in the workers' configurations. */
  #logLevel: LogLevel | undefined

  constructor(options: CrewOptions) {
    this.#options = options
    this.#watchdog = new Watchdog(
      () => this.#slots,
      (slot, cause) => this.#kill(slot, cause),
      options.log,
    )
    cluster.setupPrimary({
      exec: options.workerModule,
      args: [],
      execArgv: [...new Set([...process.execArgv, ...debuggerArguments])],
      // node:cluster gives each worker's debugger a port of its own by a further argument.
      inspectPort: 0,
    })
  }

  /** Every slot that has, had or awaits a process, oldest generation first. */
  get slots(): WorkerSlot[] {
    return [...this.#slots].toSorted((a, b) => a.generation - b.generation || a.number - b.number)
  }

  /** Whether the crew takes on no more workers, because the service ends. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /**
   * Brings up `count` workers of a generation, numbered from `first`; they take no connections yet. If one of
   * them cannot become ready, all of them are ended again. One call at a time.
   *
   * @throws HelloserverError `BOOT_FAILED` with what the worker reported, or how it died; `CANNOT_SPAWN`; `STOPPING`
   */
  async add(generation: Generation, first: number, count: number): Promise<WorkerSlot[]> {
    if (this.#isClosed) throw stopping()
    this.#options.admit(count)
    this.#watchdog.start()
    const added = Array.from({ length: count }, (_, at) => this.#newSlot(first + at, generation))
    const boot = new Boot(added)
    this.#boot = boot
    for (const slot of added) this.#spawn(slot, generation)
    try {
      await boot.ready
      return added
    } catch (error) {
      for (const slot of added) this.retire(slot, 'a worker beside it could not get ready')
      throw error
    } finally {
      this.#boot = undefined
    }
  }

  /** Lets this slot's workers take connections from now on. */
  serve(slot: WorkerSlot): void {
    this.#serving.add(slot)
    this.#offerable(slot)
  }

  /** Assigns this slot's next process to `generation`. */
  adopt(slot: WorkerSlot, generation: Generation): void {
    this.#wanted.set(slot, generation)
  }

  /** Gives this slot no more connections, and ends its worker after its active one. */
  retire(slot: WorkerSlot, cause: string): void {
    this.#wanted.delete(slot)
    this.#serving.delete(slot)
    this.#options.dispatcher.removeIdle(slot)
    clearTimeout(this.#respawns.get(slot))
    if (this.#respawns.delete(slot)) slot.cancel()
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
      const look = () => {
        if (!areGone()) return
        this.#departures.delete(look)
        resolve()
      }
      this.#departures.add(look)
    })
  }

  /** Tells every worker under which lease it serves the connections that it is offered from now on. */
  tellLease(lease: WorkerLease): void {
    this.#lease = lease
    for (const slot of this.#slots) slot.tell({ kind: 'lease', ...lease })
  }

  /** Sets the log level of all workers, present and future. */
  logAt(level: LogLevel): void {
    this.#logLevel = level
    for (const slot of this.#slots) slot.tell({ kind: 'log-level', level })
  }

  /** This process was paused: the workers' silence during the pause proves nothing. */
  resetClocks(): void {
    this.#watchdog.resetClocks()
  }

  /** Takes on no more workers and gives up those that are not ready; workers that die are still restarted. */
  seal(): void {
    this.#isClosed = true
    this.#boot?.fail(stopping())
  }

  /** Ends every worker after its active connection. Resolves when all are gone. */
  async close(): Promise<void> {
    this.seal()
    for (const slot of this.#slots) this.retire(slot, 'the service is stopping')
    await this.gone([...this.#slots])
    this.#watchdog.stop()
  }

  /** Has every worker drop its connection; kills those that are left after `graceMs`. */
  async terminate(graceMs: number): Promise<void> {
    for (const slot of this.#slots) slot.terminate()
    const killing = setTimeout(() => {
      for (const slot of this.#slots) slot.kill('did not end in time')
    }, graceMs)
    await this.close()
    clearTimeout(killing)
  }

  #newSlot(number: number, generation: Generation): WorkerSlot {
    const { dispatcher, log, openOutput } = this.#options
    const slot = new WorkerSlot(
      number,
      generation.number,
      {
        onReady: (ready) => this.#ready(ready),
        onLeaving: (leaving, cause) => this.#leaving(leaving, cause),
        onUnfit: (broken, reason, how) => this.#unfit(broken, reason, how),
        onProgress: (busy, progress) => dispatcher.progress(busy, progress),
        openOutput,
        onEnd: (ended, end) => this.#ended(ended, end),
      },
      log,
    )
    this.#slots.add(slot)
    this.#wanted.set(slot, generation)
    return slot
  }

  #spawn(slot: WorkerSlot, { number, config }: Generation): void {
    const { service, runDir } = this.#options
    const logLevel = this.#logLevel ?? config.logLevel
    const boot = { service, slot: slot.number, generation: number }
    slot.spawn({ kind: 'boot', ...boot, config: { ...config, logLevel } }, runDir)
  }

  #ready(slot: WorkerSlot): void {
    slot.tell({ kind: 'lease', ...this.#lease })
    // It may have been started before the level was changed.
    if (this.#logLevel !== undefined) slot.tell({ kind: 'log-level', level: this.#logLevel })
    if (this.#boot?.awaits(slot)) this.#boot.markReady(slot)
    this.#offerable(slot)
  }

  /** Makes a worker available to the dispatcher if it is idle and takes connections. */
  #offerable(slot: WorkerSlot): void {
    if (slot.state !== 'idle' || !this.#serving.has(slot)) return
    this.#options.dispatcher.addIdle(slot)
  }

  /** Something other than this crew told the worker to end: it is offered nothing more, and is replaced. */
  #leaving(slot: WorkerSlot, cause: string): void {
    this.#options.dispatcher.removeIdle(slot)
    slot.expectEnd(cause)
  }

  /** The worker is alive but cannot do its job: it is offered nothing more, and is replaced. */
  #unfit(slot: WorkerSlot, reason: string, how: 'retire' | 'kill'): void {
    const { dispatcher, events } = this.#options
    dispatcher.removeIdle(slot)
    // A worker that is not ready yet has nothing to finish.
    const isStarting = slot.state === 'starting'
    const { number, generation, pid: workerPid = 0 } = slot
    if (slot.condemn(reason)) {
      events.record('worker-unfit', { slot: number, generation, workerPid, reason })
    }
    if (isStarting) slot.kill(reason)
    else if (how === 'kill') slot.killUnlessReading(reason)
  }

  /** The system takes a while to end the process; until then it is offered nothing. */
  #kill(slot: WorkerSlot, cause: string): void {
    this.#options.dispatcher.removeIdle(slot)
    slot.kill(cause)
  }

  #ended(slot: WorkerSlot, end: WorkerEnd): void {
    const cause = describeEnd(end)
    this.#options.dispatcher.lost(slot, end, cause)
    const generation = this.#wanted.get(slot)
    if (generation === undefined) {
      this.#remove(slot)
      return
    }
    slot.failures = failuresAfter(slot.failures, end)
    const hasReason = end.failure !== undefined || end.reason !== undefined
    if (this.#boot?.awaits(slot) && (hasReason || slot.failures >= maxBootTries)) {
      const notReady = `Worker ${slot.number} could not get ready: ${cause}`
      this.#boot.fail(end.failure ?? new HelloserverError('BOOT_FAILED', notReady))
      return
    }
    this.#respawn(slot, generation, end)
  }

  #respawn(slot: WorkerSlot, generation: Generation, end: WorkerEnd): void {
    const { failures } = slot
    const { events, figures } = this.#options
    const counted = restartCause(end)
    figures.restarted(counted)
    const delayMs = respawnDelayMs(failures, Math.random(), policy)
    const kind = deathKind(end, delayMs)
    const death = {
      slot: slot.number,
      generation: slot.generation,
      cause: describeEnd(end),
      restartCause: counted,
      failures,
      delayMs,
    }
    if (kind !== undefined) events.record(kind, death)
    if (delayMs === 0) {
      this.#spawn(slot, generation)
      return
    }
    slot.backOff()
    const again = () => {
      this.#respawns.delete(slot)
      this.#spawn(slot, this.#wanted.get(slot) ?? generation)
    }
    this.#respawns.set(slot, setTimeout(again, delayMs))
  }

  #remove(slot: WorkerSlot): void {
    this.#slots.delete(slot)
    for (const look of this.#departures) look()
  }
}

/** The event to record for a death; none if everything was reported when the worker was taken out of service. */
function deathKind({ failure, unfit }: WorkerEnd, delayMs: number) {
  if (failure !== undefined) return 'worker-not-started'
  if (unfit !== undefined && delayMs === 0) return undefined
  return delayMs === 0 ? 'worker-died' : 'worker-backing-off'
}

/**
 * The failures in a row, this end included. A worker that ran well for a while starts the count over; one that
 * leaves in good order sooner may do so again and again, so that counts as a failure too.
 */
function failuresAfter(failures: number, { code, unfit, readyForMs }: WorkerEnd): number {
  if (readyForMs < policy.stableAfterMs) return failures + 1
  return code === 0 && unfit === undefined ? 0 : 1
}
