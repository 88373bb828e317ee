import type { Config } from '../config/load.ts'
import type { LogLevel } from '../config/log-levels.ts'
import { HelloserverError } from '../errors.ts'
import type { WorkerLease } from '../ipc/worker-messages.ts'
import { defaultRespawnPolicy as policy } from '../lifecycle/respawn.ts'
import { Crew, type CrewOptions } from './crew.ts'
import type { Generation } from './generation.ts'
import { renew } from './renew.ts'
import { Rollout } from './rollout.ts'
import type { WorkerSlot } from './worker-slot.ts'

/**
 * The workers that take connections: those of the current generation, and how they are replaced by those of
 * the next, scaled, or renewed one by one.
 *
 * `boot`, `reload`, `scale` and `renew` change the same workers: the caller ensures that they run one at a time.
 */
export class WorkerPool {
  readonly #crew: Crew
  #current: Generation | undefined
  #lastGeneration: number

  /** @param lastGeneration - generations are numbered from the next one on */
  constructor(options: CrewOptions, lastGeneration = 0) {
    this.#lastGeneration = lastGeneration
    this.#crew = new Crew(options)
  }

  /** The generation that takes connections, if there is one yet. */
  get current(): Generation | undefined {
    return this.#current
  }

  /** The number of the last generation that was brought up, successfully or not. */
  get lastGeneration(): number {
    return this.#lastGeneration
  }

  /** Every slot that has, had or awaits a process, oldest generation first. */
  get slots(): WorkerSlot[] {
    return this.#crew.slots
  }

  /** Whether a worker of the current generation is in a crash loop. */
  get isDegraded(): boolean {
    const loops = (slot: WorkerSlot) =>
      slot.failures >= policy.loopAfter && slot.readyForMs < policy.stableAfterMs
    return this.#current?.slots.some(loops) ?? false
  }

  /**
   * Brings up the first generation; it takes no connections before `open`.
   *
   * @throws HelloserverError `BOOT_FAILED` with what a worker reported, or how it died; none is left by then
   */
  async boot(config: Config): Promise<void> {
    const first = this.#generation(config)
    first.slots.push(...(await this.#crew.add(first, 1, config.workers)))
    this.#current = first
  }

  /** Lets the first generation take connections. */
  open(): void {
    for (const slot of this.#current?.slots ?? []) this.#crew.serve(slot)
  }

  /**
   * Brings up a generation and lets it take over.
   *
   * @param onCanaryReady - called when the first new worker is ready
   * @throws HelloserverError `BOOT_FAILED`: the previous generation keeps serving, with as many workers
   */
  async reload(config: Config, onCanaryReady: () => void): Promise<void> {
    const next = this.#generation(config)
    await new Rollout(this.#crew, this.#mustHave(), next).run(onCanaryReady)
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
    for (const slot of slots.splice(workers)) this.#crew.retire(slot, 'scaled down')
    for (const slot of await this.#crew.add(current, slots.length + 1, workers - slots.length)) {
      slots.push(slot)
      this.#crew.serve(slot)
    }
  }

  /**
   * Replaces a worker of the current generation with a fresh one, which is ready before the old one retires.
   *
   * @throws HelloserverError `BOOT_FAILED` when the fresh one cannot become ready: the old one keeps serving.
   */
  async renew(slot: WorkerSlot, cause: string): Promise<void> {
    await renew(this.#crew, this.#mustHave(), slot, cause)
  }

  /** Resolves when the process of a retired slot has ended. */
  gone(slot: WorkerSlot): Promise<void> {
    return this.#crew.gone([slot])
  }

  /** Tells every worker under which lease it serves the connections that it is offered from now on. */
  tellLease(lease: WorkerLease): void {
    this.#crew.tellLease(lease)
  }

  /** Whether a worker was offered a connection that it has not claimed yet. */
  get hasUnclaimed(): boolean {
    return this.slots.some((slot) => slot.inHand !== undefined && !slot.hasClaimed(slot.inHand))
  }

  /** Sets the log level of all workers, present and future. */
  logAt(level: LogLevel): void {
    this.#crew.logAt(level)
  }

  /** This process was paused: the workers' silence during the pause proves nothing. */
  resetClocks(): void {
    this.#crew.resetClocks()
  }

  /** The service is stopping: gives up any change that is under way. Workers that serve continue. */
  settle(): void {
    this.#crew.seal()
  }

  /** Ends every worker after its active connection. Resolves when all are gone. */
  close(): Promise<void> {
    return this.#crew.close()
  }

  /** Has every worker drop its connection; kills those that are left after `graceMs`. */
  terminate(graceMs: number): Promise<void> {
    return this.#crew.terminate(graceMs)
  }

  #generation(config: Config): Generation {
    this.#lastGeneration += 1
    return { number: this.#lastGeneration, config, slots: [] }
  }

  #mustHave(): Generation {
    if (this.#current !== undefined) return this.#current
    throw new HelloserverError('CONTROL_FAILED', 'The service is not serving yet')
  }
}
