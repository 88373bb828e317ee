import type { Socket } from 'node:net'

/** No message is longer; a peer that sends more without a newline is cut off. */
const maxMessageBytes = 4 * 1024 * 1024

/** JSON values over a stream socket, one a line. */
export class LineChannel {
  readonly #socket: Socket

  /**
   * @param onMessage - given each value that arrives; rejects one that is no message of its protocol
   * @param onClose - told once, when the peer is gone
   */
  constructor(socket: Socket, onMessage: (message: unknown) => Promise<void>, onClose: () => void) {
    this.#socket = socket
    let rest = ''
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      if (rest.length > maxMessageBytes) socket.destroy()
      for (const line of lines) {
        const message = parse(line)
        if (message === undefined) {
          socket.destroy()
          return
        }
        onMessage(message).catch(() => socket.destroy())
      }
    })
    // Whatever the error was, `close` follows it.
    socket.on('error', () => {})
    socket.once('close', onClose)
  }

  send(message: unknown): void {
    if (this.#socket.writable) this.#socket.write(`${JSON.stringify(message)}\n`)
  }

  /** Sends what is still to be sent, then closes. */
  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }
}

/** Anything but JSON is answered by hanging up: the peer does not speak this protocol. */
function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
