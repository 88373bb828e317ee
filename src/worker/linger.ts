import { type Clock, systemClock, type Timer } from '../clock.ts'

/** How many connections may be in their closing handshake at a time; beyond that, the oldest is dropped. */
const maxLingering = 512

/** A connection in its closing handshake. */
export interface Lingering {
  /** Ends this side, and discards further input; calls back once it is closed, whoever closes it. */
  finish(onClosed: () => void): void
  /** Closes it at once. */
  destroy(): void
}

/**
 * Connections whose answer has been sent and whose closing handshake is not over.
 *
 * Closing a socket with unread input makes the system send a reset, which can destroy the answer in transit
 * (RFC 9112, section 9.6). So the server ends its own side, discards further input, and waits for the client to
 * end its side: in the background, for a bounded time.
 */
export class Lingerers {
  /** When each is given up, in monotonic milliseconds; all may take equally long, so the first is the oldest. */
  readonly #all = new Map<Lingering, number>()
  readonly #lingerMs: number
  readonly #clock: Clock
  #timer: Timer | undefined
  #onEmpty: (() => void) | undefined

  /** @param lingerMs - how long one closing handshake may take, in milliseconds */
  constructor(lingerMs: number, clock: Clock = systemClock) {
    this.#lingerMs = lingerMs
    this.#clock = clock
  }

  /** Begins the closing handshake of a connection that is open. */
  add(lingering: Lingering): void {
    if (this.#all.size >= maxLingering) this.#drop(Number.POSITIVE_INFINITY, 1)
    this.#all.set(lingering, this.#clock.nowMs() + this.#lingerMs)
    lingering.finish(() => {
      this.#all.delete(lingering)
      if (this.#all.size === 0) this.#onEmpty?.()
    })
    if (this.#timer === undefined)
      this.#timer = this.#clock.setTimeout(() => this.#expire(), this.#lingerMs)
  }

  /** Resolves when no handshake is in progress. */
  async settled(): Promise<void> {
    if (this.#all.size === 0) return
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve
    })
  }

  /** One timer serves all: those after the first have more time left. */
  #expire(): void {
    this.#timer = undefined
    const nowMs = this.#clock.nowMs()
    this.#drop(nowMs, this.#all.size)
    for (const dueMs of this.#all.values()) {
      const leftMs = Math.max(1, Math.ceil(dueMs - nowMs))
      this.#timer = this.#clock.setTimeout(() => this.#expire(), leftMs)
      return
    }
  }

  /** Drops those that are due by `nowMs`, oldest first, `most` of them at most. */
  #drop(nowMs: number, most: number): void {
    let left = most
    for (const [lingering, dueMs] of this.#all) {
      if (left === 0 || dueMs > nowMs) return
      left -= 1
      this.#all.delete(lingering)
      lingering.destroy()
    }
  }
}
