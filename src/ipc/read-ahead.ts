import { Socket } from 'node:net'
import type { SocketHandle } from './socket-handle.ts'

/** How many bytes are read at a time: so many may be read beyond what the reader wanted. */
export const readAheadBytes = 1_024

/** Options of net.Socket, with those that its types leave out. */
type SocketOptions = ConstructorParameters<typeof Socket>[0] & {
  readonly handle: unknown
  readonly onread: {
    readonly buffer: Buffer
    readonly callback: (count: number, bytes: Buffer) => boolean
  }
}

/** What has come of a connection that is read ahead. */
export interface ReadAheadListener {
  /** The next bytes, which are the listener's from now on. */
  onBytes(bytes: Buffer): void
  /** The client has ended its side, or reset the connection. */
  onEnd(): void
}

/** The reading of a connection's first bytes, in small pieces. */
export interface Reader {
  /** Reads no more; the handle can be sent to another process or closed. */
  stop(): void
}

/**
 * Reads the first bytes of a connection for which there is only a bare handle, in small pieces, and leaves the rest for
 * a worker. Node's stream does the reading; it is taken off the handle afterwards, for which Node documents nothing.
 */
export class ReadAhead implements Reader {
  readonly #socket: Socket

  /** Begins to read. */
  constructor(handle: SocketHandle, listener: ReadAheadListener) {
    const options: SocketOptions = {
      handle,
      readable: true,
      allowHalfOpen: true,
      // All connections share the memory, since each piece is copied out at once.
      onread: {
        buffer: arena,
        callback: (count, bytes) => {
          listener.onBytes(Buffer.from(bytes.subarray(0, count)))
          // By now it may be stopped, which is all that Node would do for `false`.
          return true
        },
      },
    }
    this.#socket = new Socket(options)
    this.#socket.once('end', () => listener.onEnd())
    this.#socket.once('error', () => listener.onEnd())
  }

  stop(): void {
    const socket = this.#socket as Socket & { _handle: unknown }
    socket.removeAllListeners('end')
    socket.pause()
    // oxlint-disable-next-line no-underscore-dangle -- Node's own name for it
    socket._handle = null
  }
}

const arena = Buffer.allocUnsafeSlow(readAheadBytes)
