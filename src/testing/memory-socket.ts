import { Duplex } from 'node:stream'
import type { TcpAddress } from '../ipc/socket-handle.ts'
import type { ClientSocket } from '../worker/client-socket.ts'
import { inNextTurn } from './turn.ts'

/** Something that the client has sent: bytes, the end of its side (FIN), or a reset (RST). */
export type Arrival = Buffer | 'end' | 'reset'

/** The client's end, as its socket in the worker reaches it. */
export interface FarEnd {
  /** Takes bytes that the handler has sent; calls back when it has room for more. */
  take(bytes: Buffer, onTaken: () => void): void
  /** The server has agreed on TLS. */
  secured(): void
  /** The server has ended its side. */
  end(): void
  /** The server has closed the socket, or answers further input with a reset. */
  close(how: 'end' | 'reset'): void
}

/**
 * The worker's end of a connection that needs no network. It behaves as a TCP socket of Node.js on Linux does:
 *
 * - Bytes from the client wait, as in the system's buffers, until the stream reads them; each piece arrives in a turn of
 *   its own.
 * - Closing the socket with unread input, or sending to a closed one, resets the connection (RFC 9293, section 3.6.1).
 * - A reset arrives behind the bytes that were sent before it, fails every write at once, and makes the system forget
 *   the client's address.
 */
export class MemorySocket extends Duplex implements ClientSocket {
  bytesRead = 0
  bytesWritten = 0
  readonly #farEnd: FarEnd
  readonly #remote: TcpAddress
  readonly #arrivals: Arrival[] = []
  #peer: TcpAddress | undefined
  #onWritten: ((error?: Error | null) => void) | undefined
  #isReset = false
  #isWanted = false
  #isScheduled = false

  constructor(remote: TcpAddress, farEnd: FarEnd) {
    super({ allowHalfOpen: true })
    this.#remote = remote
    this.#farEnd = farEnd
  }

  /** As Node does, it asks the system on first use. */
  get remoteAddress(): string | undefined {
    return this.#getPeer()?.address
  }

  get remotePort(): number | undefined {
    return this.#getPeer()?.port
  }

  /** The service's address, as if it had the default port on loopback. */
  get localAddress(): string | undefined {
    return this.#getPeer() === undefined ? undefined : '127.0.0.1'
  }

  get localPort(): number | undefined {
    return this.#getPeer() === undefined ? undefined : 30_153
  }

  /** No network is silent for long here. */
  setKeepAlive(): this {
    return this
  }

  /** There is no delay to turn off. */
  setNoDelay(): this {
    return this
  }

  /** Whether something that has been sent will arrive in the next turn. */
  get isReceiving(): boolean {
    return this.#isWanted && !this.destroyed && this.#arrivals.length > 0
  }

  /** TLS has begun: from here on, bytes are counted as for a new socket, of which these have arrived. */
  secured(arrivedBytes: number): void {
    this.bytesRead = arrivedBytes
    this.bytesWritten = 0
    this.#farEnd.secured()
  }

  /** Queues the client's next bytes behind the earlier ones. */
  arrive(arrival: Arrival): void {
    if (arrival === 'reset') this.#isReset = true
    if (this.destroyed) {
      if (Buffer.isBuffer(arrival)) this.#farEnd.close('reset')
      return
    }
    this.#arrivals.push(arrival)
    this.#schedule()
  }

  override _read(): void {
    this.#isWanted = true
    this.#schedule()
  }

  override _write(
    chunk: Buffer,
    _encoding: BufferEncoding,
    onWritten: (error?: Error | null) => void,
  ): void {
    this.bytesWritten += chunk.length
    if (this.#isReset) onWritten(connectionReset('write'))
    // The system copies what it is given, so the handler may use its buffer again.
    else {
      this.#onWritten = onWritten
      this.#farEnd.take(Buffer.from(chunk), () => this.#written())
    }
  }

  override _final(onEnded: (error?: Error | null) => void): void {
    this.#farEnd.end()
    onEnded()
  }

  override _destroy(error: Error | null, onDestroyed: (error?: Error | null) => void): void {
    const hasUnread = this.#arrivals.some((arrival) => Buffer.isBuffer(arrival))
    this.#farEnd.close(hasUnread ? 'reset' : 'end')
    // The system gives up a write that waits for the client to read.
    this.#written(error)
    onDestroyed(error)
  }

  #written(error?: Error | null): void {
    const onWritten = this.#onWritten
    this.#onWritten = undefined
    onWritten?.(error)
  }

  #schedule(): void {
    if (this.#isScheduled || !this.isReceiving) return
    this.#isScheduled = true
    inNextTurn(() => {
      this.#isScheduled = false
      if (this.isReceiving) this.#receive()
    })
  }

  #receive(): void {
    const arrival = this.#arrivals.shift()
    this.#isWanted = false
    if (arrival === undefined) return
    if (arrival === 'reset') this.destroy(connectionReset('read'))
    else if (arrival === 'end') this.push(null)
    else {
      this.bytesRead += arrival.length
      this.push(arrival)
    }
  }

  #getPeer(): TcpAddress | undefined {
    if (!this.#isReset && !this.destroyed) this.#peer = this.#remote
    return this.#peer
  }
}

/** The system's error, as Node.js shows it. */
export function connectionReset(syscall: 'read' | 'write'): Error {
  return Object.assign(new Error(`${syscall} ECONNRESET`), {
    code: 'ECONNRESET',
    errno: -104,
    syscall,
  })
}
