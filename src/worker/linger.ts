import { type Clock, systemClock, type Timer } from '../clock.ts'
import type { ClientSocket } from './client-socket.ts'

/** How many connections may be in their closing handshake at a time; beyond that, the oldest is dropped. */
const maxLingering = 512

/**
 * Connections whose answer has been sent and whose closing handshake is not over.
 *
 * Closing a socket with unread input makes the system send a reset, which can destroy the answer in transit
 * (RFC 9112, section 9.6). So the server ends its own side, discards further input, and waits for the client to
 * end its side: in the background, for a bounded time.
 */
export class Lingerers {
  /** When each is given up, in monotonic milliseconds; all may take equally long, so the first is the oldest. */
  readonly #sockets = new Map<ClientSocket, number>()
  readonly #lingerMs: number
  readonly #clock: Clock
  #timer: Timer | undefined
  #onEmpty: (() => void) | undefined

  /** @param lingerMs - how long one closing handshake may take, in milliseconds */
  constructor(lingerMs: number, clock: Clock = systemClock) {
    this.#lingerMs = lingerMs
    this.#clock = clock
  }

  /** Ends a socket, and discards its further input. */
  add(socket: ClientSocket): void {
    if (socket.destroyed) return
    if (this.#sockets.size >= maxLingering) this.#drop(Number.POSITIVE_INFINITY, 1)
    this.#sockets.set(socket, this.#clock.nowMs() + this.#lingerMs)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      if (this.#sockets.size === 0) this.#onEmpty?.()
    })
    socket.end()
    socket.resume()
    if (this.#timer === undefined)
      this.#timer = this.#clock.setTimeout(() => this.#expire(), this.#lingerMs)
  }

  /** Resolves when no handshake is in progress. */
  async settled(): Promise<void> {
    if (this.#sockets.size === 0) return
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve
    })
  }

  /** One timer serves all: the sockets after the first have more time left. */
  #expire(): void {
    this.#timer = undefined
    const nowMs = this.#clock.nowMs()
    this.#drop(nowMs, this.#sockets.size)
    for (const dueMs of this.#sockets.values()) {
      const leftMs = Math.max(1, Math.ceil(dueMs - nowMs))
      this.#timer = this.#clock.setTimeout(() => this.#expire(), leftMs)
      return
    }
  }

  /** Drops the sockets that are due by `nowMs`, oldest first, `most` of them at most. */
  #drop(nowMs: number, most: number): void {
    let left = most
    for (const [socket, dueMs] of this.#sockets) {
      if (left === 0 || dueMs > nowMs) return
      left -= 1
      this.#sockets.delete(socket)
      socket.destroy()
    }
  }
}
