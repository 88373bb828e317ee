import type { HandOffWorker } from './hand-off.ts'
import type { NativeLink } from './native-link.ts'

/** In milliseconds. */
const justNowMs = 10

/** The workers that take connections out of the kernel's queue, and how those that wait are woken. */
export class TakingWorkers {
  readonly #links = new Map<HandOffWorker, NativeLink>()
  /** The turn of the first connection that was waiting at the last nudge; 0 when there was none. */
  #firstTurn = 0

  get size(): number {
    return this.#links.size
  }

  /** Those that have no connection, or have taken it just now; always in the same order. */
  get ready(): NativeLink[] {
    const sinceMs = performance.now() - justNowMs
    return [...this.#links].flatMap(([{ inHand }, link]) =>
      inHand === undefined || inHand.offeredAtMs >= sinceMs ? link : [],
    )
  }

  /** How many have no connection, as far as that is known. */
  get idle(): number {
    let idle = 0
    for (const worker of this.#links.keys()) if (worker.inHand === undefined) idle += 1
    return idle
  }

  has(worker: HandOffWorker): boolean {
    return this.#links.has(worker)
  }

  add(worker: HandOffWorker, link: NativeLink): void {
    this.#links.set(worker, link)
  }

  /** Returns what is shared with it; undefined when it was none of them. */
  remove(worker: HandOffWorker): NativeLink | undefined {
    const link = this.#links.get(worker)
    this.#links.delete(worker)
    return link
  }

  /**
   * Wakes a worker that waits and was not woken since it began to; returns whether there was one. Always the first of
   * them, so that a few workers with warm caches share a light load, and the others sleep.
   */
  wakeOne(): boolean {
    for (const link of this.#links.values()) if (link.wake()) return true
    return false
  }

  wakeAll(): void {
    for (const link of this.#links.values()) link.wakeAgain()
  }

  /**
   * Wakes all of them if nobody has taken the first connection since the last call: one that was woken may have died, or
   * be stopped.
   *
   * @param firstTurn - whose turn it is; 0 when nobody waits
   */
  nudge(firstTurn: number): void {
    if (firstTurn !== 0 && firstTurn === this.#firstTurn) this.wakeAll()
    this.#firstTurn = firstTurn
  }
}
