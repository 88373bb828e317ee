import { monotonicMs } from '../clock.ts'
import type { Granted } from '../ipc/worker-page.ts'
import { grantSize } from '../native/native.ts'

/** The nonce of grants that are not kept for the next primary. */
export const noNonce = 0

/** Grants as they are kept for the next primary. */
export interface KeptGrants extends Pick<Granted, 'ids'> {
  readonly nonce: number
  /** How many of the connections were counted. */
  readonly seen: number
}

/**
 * The connections that one process of a worker may accept by itself: their numbers are drawn before they come, so that
 * each has one of its own without a word between the two. The worker has one at a time, so it is always known which is
 * next.
 */
export class Grants {
  readonly nonce: number
  readonly #ids: [number, number]
  #count: number
  #seen: number
  /** When the last one was taken; monotonic, in milliseconds, by the clock that all processes share. */
  #lastMs = monotonicMs()

  /** @param kept - those of a primary that has died, which are not continued */
  constructor(kept: KeptGrants) {
    this.nonce = kept.nonce
    this.#ids = [...kept.ids]
    this.#seen = kept.seen
    this.#count = 0
  }

  /** For the worker's page. */
  get granted(): Granted {
    return { count: this.#count % 2 ** 32, ids: this.#ids }
  }

  /** How many of the connections are there. */
  get seen(): number {
    return this.#seen
  }

  get kept(): KeptGrants {
    return { nonce: this.nonce, seen: this.#seen, ids: this.#ids }
  }

  /** Whether a connection with this number and nonce is the next one. */
  isNext(id: number, nonce: number): boolean {
    return nonce === this.nonce && id === this.#idOf(this.#seen)
  }

  /**
   * The next one is there.
   *
   * @param takenAtMs - when its worker has taken it, by its own word; `nowMs` and the result by the same clock
   * @returns when that was, as far as it can be true
   */
  see(takenAtMs: number, nowMs: number): number {
    this.#seen += 1
    // NaN is below everything.
    if (takenAtMs > this.#lastMs) this.#lastMs = Math.min(takenAtMs, nowMs)
    return this.#lastMs
  }

  /**
   * Grants more, unless that is as many as can be told apart.
   *
   * @param draw - reserves so many numbers that follow each other, and returns the first
   * @returns whether it did
   */
  extend(draw: (count: number) => number): boolean {
    const before = this.#count
    // The numbers of the last grant but one are not needed any more.
    while (this.#seen >= this.#count - grantSize) {
      this.#ids[(this.#count / grantSize) % 2] = draw(grantSize)
      this.#count += grantSize
    }
    return this.#count > before
  }

  #idOf(at: number): number | undefined {
    const first = this.#ids[Math.floor(at / grantSize) % 2]
    return first === undefined ? undefined : first + (at % grantSize)
  }
}
