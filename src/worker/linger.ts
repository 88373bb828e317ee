import type { Socket } from 'node:net'

/** More connections than this are not kept for their closing handshake; the oldest goes first. */
const maxLingering = 512

/**
 * The connections whose answer is sent and whose closing handshake is not over.
 *
 * Closing a socket that still has unread input makes the system send a reset, which can destroy the
 * answer on its way (RFC 9112, section 9.6). So the server ends its own side, throws away what still
 * comes, and waits for the client to end its side: in the background, for a bounded time.
 */
export class Lingerers {
  /** When each is given up, monotonic milliseconds; they all may take equally long, so the first is the oldest. */
  readonly #sockets = new Map<Socket, number>()
  readonly #lingerMs: number
  #timer: NodeJS.Timeout | undefined
  #onEmpty: (() => void) | undefined

  /** @param lingerMs - how long one closing handshake may take, in milliseconds */
  constructor(lingerMs: number) {
    this.#lingerMs = lingerMs
  }

  /** Ends a socket whose input nobody wants any more. */
  add(socket: Socket): void {
    if (socket.destroyed) return
    if (this.#sockets.size >= maxLingering) this.#drop(Number.POSITIVE_INFINITY, 1)
    this.#sockets.set(socket, performance.now() + this.#lingerMs)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      if (this.#sockets.size === 0) this.#onEmpty?.()
    })
    socket.end()
    socket.resume()
    if (this.#timer === undefined) this.#timer = setTimeout(() => this.#expire(), this.#lingerMs)
  }

  /** Resolves when no handshake is under way. */
  async settled(): Promise<void> {
    if (this.#sockets.size === 0) return
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve
    })
  }

  /** One timer for all: whoever came after the first has more time left. */
  #expire(): void {
    this.#timer = undefined
    this.#drop(performance.now(), this.#sockets.size)
    for (const dueMs of this.#sockets.values()) {
      this.#timer = setTimeout(
        () => this.#expire(),
        Math.max(1, Math.ceil(dueMs - performance.now())),
      )
      return
    }
  }

  /** Gives up, oldest first, those that are due by `nowMs`, so many at the most. */
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
