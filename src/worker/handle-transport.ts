import { type Local, localOf, type Remote, remoteOf, socketOver } from '../ipc/socket-handle.ts'
import {
  type HandleReader,
  readTo,
  type StreamHandle,
  shutDown,
  writeTo,
} from '../ipc/stream-handle.ts'
import { systemError } from '../system-error.ts'
import type { Lingerers, Lingering } from './linger.ts'
import { type SocketOptions, SocketTransport } from './socket-transport.ts'
import type { Chunk, Receiver, Transport } from './transport.ts'

/** A connection's bytes by way of Node's bare handle, without a stream around it. */
export class HandleTransport implements Transport, HandleReader, Lingering {
  readonly #handle: StreamHandle
  readonly #options: SocketOptions
  readonly #lingerers: Pick<Lingerers, 'add'>
  readonly #path: string | undefined
  /** How many of the bytes that were received were read elsewhere. */
  readonly #readBefore: number
  #rest: Buffer | undefined
  #noDelay: boolean
  #isNoDelaySet = false
  #receiver: Receiver | undefined
  #isOpen = true
  #isPaused = false
  #hasWritten = false
  #hasInputEnded = false
  #output: 'open' | 'ending' | 'ended' = 'open'
  /** Set once the closing handshake has begun. */
  #onClosed: (() => void) | undefined
  /** It begins over a socket of Node's: `forTls`. */
  readonly tls = undefined
  bytesRead: number
  bytesWritten = 0

  /**
   * @param handle - of a socket from which this process has not read
   * @param lingerers - where the connection goes for its closing handshake
   * @param path - of the Unix socket that it was accepted on; undefined for TCP
   * @param rest - bytes that were read from it elsewhere
   */
  constructor(
    handle: StreamHandle,
    options: SocketOptions,
    lingerers: Pick<Lingerers, 'add'>,
    path: string | undefined,
    rest: Buffer,
  ) {
    const { noDelay, keepAliveMs } = options
    this.#handle = handle
    this.#options = options
    this.#lingerers = lingerers
    this.#path = path
    this.#rest = rest
    this.#readBefore = rest.length
    this.bytesRead = rest.length
    // A Unix socket sends everything at once, and its system knows when a client is gone.
    this.#noDelay = noDelay && path === undefined
    if (keepAliveMs > 0 && path === undefined) this.setKeepAlive(true, keepAliveMs)
  }

  get remote(): Remote | undefined {
    if (this.#path !== undefined) return { path: this.#path }
    return this.#isOpen ? remoteOf(this.#handle) : undefined
  }

  get local(): Local | undefined {
    if (this.#path !== undefined) return { path: this.#path }
    return this.#isOpen ? localOf(this.#handle) : undefined
  }

  open(receiver: Receiver): void {
    this.#receiver = receiver
    readTo(this.#handle, this)
    const rest = this.#rest
    this.#rest = undefined
    if (rest !== undefined && rest.length > 0) receiver.receive(rest)
    this.#read()
  }

  pause(): void {
    if (this.#isPaused || !this.#isOpen) return
    this.#isPaused = true
    this.#handle.readStop()
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#read()
  }

  write(chunks: readonly Chunk[], onSent: (error?: Error | null) => void): void {
    if (!this.#isOpen) {
      onSent(closed())
      return
    }
    const bytes = joined(chunks)
    // The first write is sent at once anyway; later ones must not wait for its acknowledgement (Nagle).
    if (this.#hasWritten && this.#noDelay && !this.#isNoDelaySet) this.setNoDelay(true)
    this.#hasWritten = true
    writeTo(this.#handle, bytes, (errno) => {
      if (errno === 0) {
        this.bytesWritten += bytes.length
        onSent()
        return
      }
      const cause = systemError('write', errno)
      onSent(cause)
      this.#lose(cause)
    })
  }

  end(onEnded: (error?: Error | null) => void): void {
    if (!this.#isOpen) {
      onEnded(closed())
      return
    }
    this.#output = 'ending'
    shutDown(this.#handle, (errno) => {
      this.#output = 'ended'
      onEnded(errno === 0 ? null : systemError('shutdown', errno))
      this.#closeIfEnded()
    })
  }

  setNoDelay(isOn: boolean): void {
    this.#noDelay = isOn
    this.#isNoDelaySet = isOn
    if (this.#isOpen) this.#handle.setNoDelay?.(isOn)
  }

  setKeepAlive(isOn: boolean, afterMs: number): void {
    if (this.#isOpen) this.#handle.setKeepAlive?.(isOn, Math.trunc(afterMs / 1_000))
  }

  forTls(): SocketTransport {
    this.#isOpen = false
    this.#handle.readStop()
    const socket = socketOver(this.#handle)
    // The socket counts by the handle, which has counted all the rest.
    const before = { bytesRead: this.#readBefore, bytesWritten: 0 }
    return new SocketTransport(socket, this.#options, this.#lingerers, this.#path, before)
  }

  destroy(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#handle.close(this.#onClosed)
  }

  conclude(): void {
    if (!this.#isOpen) return
    this.#receiver = undefined
    this.#lingerers.add(this)
  }

  finish(onClosed: () => void): void {
    this.#onClosed = onClosed
    this.resume()
    if (this.#output === 'open') {
      this.end((error) => {
        if (error) this.destroy()
      })
    } else this.#closeIfEnded()
  }

  onBytes(bytes: Buffer): void {
    this.bytesRead += bytes.length
    this.#receiver?.receive(bytes)
  }

  onEnd(): void {
    this.#hasInputEnded = true
    this.#receiver?.endInput()
    this.#closeIfEnded()
  }

  onError(errno: number): void {
    this.#lose(systemError('read', errno))
  }

  #read(): void {
    if (!this.#isOpen || this.#isPaused || this.#hasInputEnded) return
    const errno = this.#handle.readStart()
    if (errno !== 0) this.onError(errno)
  }

  #closeIfEnded(): void {
    if (this.#onClosed === undefined) return
    if (this.#hasInputEnded && this.#output === 'ended') this.destroy()
  }

  #lose(cause: Error): void {
    if (!this.#isOpen) return
    this.destroy()
    this.#receiver?.lose(cause)
  }
}

const closed = () => new Error('The connection is closed')

/** One piece of what is to be sent: a copy, since the caller may run again before all of it is. */
function joined(chunks: readonly Chunk[]): Buffer {
  const [only] = chunks
  // There is an overload for either kind, and none for both.
  if (chunks.length === 1) return Buffer.from(only as Uint8Array)
  return Buffer.concat(
    chunks.map((chunk) => (typeof chunk === 'string' ? Buffer.from(chunk) : chunk)),
  )
}
