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
  readonly #sockets = new Map<Socket, NodeJS.Timeout>()
  readonly #lingerMs: number
  #onEmpty: (() => void) | undefined

  /** @param lingerMs - how long one closing handshake may take, in milliseconds */
  constructor(lingerMs: number) {
    this.#lingerMs = lingerMs
  }

  /** Ends a socket whose input nobody wants any more. */
  add(socket: Socket): void {
    if (socket.destroyed) return
    if (this.#sockets.size >= maxLingering) this.#dropOldest()
    const timer = setTimeout(() => socket.destroy(), this.#lingerMs)
    this.#sockets.set(socket, timer)
    socket.once('close', () => {
      clearTimeout(timer)
      this.#sockets.delete(socket)
      if (this.#sockets.size === 0) this.#onEmpty?.()
    })
    socket.end()
    socket.resume()
  }

  /** Resolves when no handshake is under way. */
  async settled(): Promise<void> {
    if (this.#sockets.size === 0) return
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve
    })
  }

  #dropOldest(): void {
    for (const socket of this.#sockets.keys()) {
      socket.destroy()
      return
    }
  }
}
