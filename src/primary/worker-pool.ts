import cluster from 'node:cluster'
import type { Config } from '../config/load.ts'
import { HelloserverError } from '../errors.ts'
import { defaultRespawnPolicy, respawnDelayMs } from '../lifecycle/respawn.ts'
import type { Logger } from '../telemetry/logger.ts'
import { Boot } from './boot.ts'
import type { Dispatcher } from './dispatcher.ts'
import { Watchdog } from './watchdog.ts'
import { type SlotListener, type WorkerEnd, WorkerSlot } from './worker-slot.ts'

/** A worker that dies without a word before it is ready is tried this often; then its start has failed. */
const maxBootTries = 3
const policy = defaultRespawnPolicy

/** The workers of one configuration. */
export interface Generation {
  readonly number: number
  readonly config: Config
  readonly slots: WorkerSlot[]
}

export interface WorkerPoolOptions {
  readonly service: string
  readonly runDir: string
  /** The worker program, an absolute path. */
  readonly workerModule: string
  readonly dispatcher: Dispatcher
  readonly log: Logger
  /** Generations are numbered on from this one. */
  readonly lastGeneration: number
  /** Given every line that a worker prints. */
  readonly onOutput: SlotListener['onOutput']
}

/**
 * Keeps workers running: brings up generations, replaces what dies, retires what is replaced.
 *
 * The workers of the current generation take connections; those of an older one finish what they have in
 * hand, those of a newer one wait until all of it is ready. What is wanted (`#wanted`) is kept apart from
 * what there is (`#slots`), so that the end of a process needs no flag to say what to do about it.
 */
export class WorkerPool {
  readonly #options: WorkerPoolOptions
  readonly #slots = new Set<WorkerSlot>()
  readonly #wanted = new Map<WorkerSlot, Generation>()
  readonly #respawns = new Map<WorkerSlot, NodeJS.Timeout>()
  readonly #watchdog: Watchdog
  #current: Generation | undefined
  #boot: Boot | undefined
  #lastGeneration: number
  #onEmpty: (() => void) | undefined

  constructor(options: WorkerPoolOptions) {
    this.#options = options
    this.#lastGeneration = options.lastGeneration
    this.#watchdog = new Watchdog(
      () => this.#slots,
      (slot, cause) => this.#kill(slot, cause),
      options.log,
    )
    cluster.setupPrimary({ exec: options.workerModule, args: [] })
  }

  /** The generation that takes connections, if there is one yet. */
  get current(): Generation | undefined {
    return this.#current
  }

  /** The number of the last generation that was brought up, or tried to be. */
  get lastGeneration(): number {
    return this.#lastGeneration
  }

  /** Every slot that has, had or awaits a process, oldest generation first. */
  get slots(): WorkerSlot[] {
    return [...this.#slots].toSorted((a, b) => a.generation - b.generation || a.number - b.number)
  }

  /** Whether a worker of the current generation dies again and again. */
  get isDegraded(): boolean {
    const loops = (slot: WorkerSlot) =>
      slot.failures >= policy.loopAfter && slot.readyForMs < policy.stableAfterMs
    return this.#current?.slots.some(loops) ?? false
  }

  /**
   * Brings up a generation; it takes no connections yet. When one of its workers cannot get ready, all of
   * them are ended again.
   *
   * @throws HelloserverError `BOOT_FAILED` with what the worker said, or how it died
   */
  async boot(config: Config): Promise<Generation> {
    this.#lastGeneration += 1
    const generation: Generation = { number: this.#lastGeneration, config, slots: [] }
    this.#watchdog.start()
    await this.#grow(generation, config.workers)
    return generation
  }

  /** Lets a generation take connections, and the one before it finish what it has in hand. */
  switchTo(generation: Generation): void {
    const previous = this.#current
    this.#current = generation
    for (const slot of generation.slots) this.#offerable(slot)
    for (const slot of previous?.slots ?? []) this.#retire(slot, 'replaced by a newer generation')
  }

  /**
   * Sets the number of workers of the current generation; resolves when the new ones are ready.
   *
   * @throws HelloserverError `BOOT_FAILED` when one cannot get ready: the number stays what it was.
   */
  async scale(workers: number): Promise<void> {
    const current = this.#current
    if (current === undefined) {
      throw new HelloserverError('CONTROL_FAILED', 'The service is not serving yet')
    }
    for (const slot of current.slots.splice(workers)) this.#retire(slot, 'scaled down')
    for (const slot of await this.#grow(current, workers - current.slots.length)) {
      this.#offerable(slot)
    }
  }

  /** This process was paused: the workers' silence meanwhile says nothing about them. */
  forgive(): void {
    this.#watchdog.forgive()
  }

  /** Ends every worker after what it has in hand. Resolves when all are gone. */
  close(): Promise<void> {
    this.#boot?.fail('The service is stopping')
    for (const slot of this.#slots) this.#retire(slot, 'the service is stopping')
    return this.#whenEmpty()
  }

  /** Has every worker drop what it has in hand; what is still there after `graceMs` is killed. */
  async terminate(graceMs: number): Promise<void> {
    this.#boot?.fail('The service is stopping')
    for (const slot of this.#slots) {
      slot.terminate()
      this.#retire(slot, 'the service is stopping now')
    }
    const killing = setTimeout(() => {
      for (const slot of this.#slots) slot.kill('did not end in time')
    }, graceMs)
    await this.#whenEmpty()
    clearTimeout(killing)
  }

  async #whenEmpty(): Promise<void> {
    if (this.#slots.size > 0) {
      await new Promise<void>((resolve) => {
        const previous = this.#onEmpty
        this.#onEmpty = () => {
          previous?.()
          resolve()
        }
      })
    }
    this.#watchdog.stop()
  }

  /** Adds so many slots to a generation, once all of their workers are ready; else adds none. */
  async #grow(generation: Generation, count: number): Promise<WorkerSlot[]> {
    const first = generation.slots.length + 1
    const added: WorkerSlot[] = []
    for (let index = 0; index < count; index += 1) {
      added.push(this.#newSlot(first + index, generation))
    }
    const boot = new Boot(added)
    this.#boot = boot
    for (const slot of added) this.#spawn(slot, generation)
    try {
      await boot.ready
      generation.slots.push(...added)
      return added
    } catch (error) {
      for (const slot of added) this.#retire(slot, 'a worker beside it could not get ready')
      throw error
    } finally {
      if (this.#boot === boot) this.#boot = undefined
    }
  }

  #newSlot(number: number, generation: Generation): WorkerSlot {
    const { dispatcher, log, onOutput } = this.#options
    const slot = new WorkerSlot(
      number,
      generation.number,
      {
        onReady: (ready) => this.#ready(ready),
        onLeaving: (leaving) => this.#leaving(leaving),
        onProgress: (busy, progress) => dispatcher.progress(busy, progress),
        onOutput,
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
    slot.spawn({ kind: 'boot', service, slot: slot.number, generation: number, config }, runDir)
  }

  #ready(slot: WorkerSlot): void {
    if (this.#boot?.awaits(slot)) this.#boot.markReady(slot)
    this.#offerable(slot)
  }

  /** Lets the dispatcher have a worker that is idle and belongs to the current generation. */
  #offerable(slot: WorkerSlot): void {
    if (slot.state !== 'idle' || !this.#current?.slots.includes(slot)) return
    this.#options.dispatcher.addIdle(slot)
  }

  #retire(slot: WorkerSlot, cause: string): void {
    this.#wanted.delete(slot)
    this.#options.dispatcher.removeIdle(slot)
    clearTimeout(this.#respawns.get(slot))
    if (this.#respawns.delete(slot)) slot.cancel()
    // What is not ready yet has nothing to finish.
    if (slot.state === 'starting') slot.kill(cause)
    else slot.retire(cause)
    if (slot.state === 'empty') this.#remove(slot)
  }

  /** It was told to end by others than this pool: it is offered nothing more, and another takes its place. */
  #leaving(slot: WorkerSlot): void {
    this.#options.dispatcher.removeIdle(slot)
    slot.retire('it was told to end')
  }

  /** Its end takes the system a while; it is offered nothing meanwhile. */
  #kill(slot: WorkerSlot, cause: string): void {
    this.#options.dispatcher.removeIdle(slot)
    slot.kill(cause)
  }

  #ended(slot: WorkerSlot, end: WorkerEnd): void {
    const { dispatcher, log } = this.#options
    const cause = describeEnd(end)
    dispatcher.lost(slot, end.claimed, cause)
    const generation = this.#wanted.get(slot)
    if (generation === undefined) {
      this.#remove(slot)
      return
    }
    const leftByItself = end.wasReady && end.code === 0
    slot.failures = leftByItself
      ? 0
      : end.readyForMs >= policy.stableAfterMs
        ? 1
        : slot.failures + 1
    if (this.#boot?.awaits(slot) && (end.reason !== undefined || slot.failures >= maxBootTries)) {
      this.#boot.fail(`Worker ${slot.number} could not get ready: ${cause}`)
      return
    }
    const delayMs = respawnDelayMs(slot.failures, Math.random(), policy)
    log.warn(
      { slot: slot.number, generation: slot.generation, cause, failures: slot.failures, delayMs },
      'Worker died; starting another',
    )
    if (delayMs === 0) {
      this.#spawn(slot, generation)
      return
    }
    slot.backOff()
    const respawn = () => {
      this.#respawns.delete(slot)
      this.#spawn(slot, generation)
    }
    this.#respawns.set(slot, setTimeout(respawn, delayMs))
  }

  #remove(slot: WorkerSlot): void {
    this.#slots.delete(slot)
    if (this.#slots.size === 0) this.#onEmpty?.()
  }
}

/** How a process ended, in words. */
function describeEnd({ code, signal, reason }: WorkerEnd): string {
  if (reason !== undefined) return reason
  if (signal !== null) return `killed by ${signal}`
  return `exited with status ${code}`
}
