import { plainAddress } from '../endpoint.ts'
import type { Local, Remote } from '../ipc/socket-handle.ts'
import type { ClientSocket } from './client-socket.ts'
import type { Lingerers, Lingering } from './linger.ts'
import type { TlsDoor } from './tls-door.ts'
import type { Chunk, ConnectionTls, Receiver, SecurableTransport, Transport } from './transport.ts'

/** Options of a client's socket. */
export interface SocketOptions {
  /** How long nothing may pass before the system asks whether the client is still there; 0: it never asks. */
  readonly keepAliveMs: number
  /** Whether a write is sent at once, even while an earlier one is not acknowledged. */
  readonly noDelay: boolean
  /** How long a closing handshake may take. */
  readonly lingerMs: number
}

/** How many bytes have passed. */
interface Passed {
  readonly bytesRead: number
  readonly bytesWritten: number
}

const none: Passed = { bytesRead: 0, bytesWritten: 0 }

/** A connection's bytes by way of Node's own socket. */
export class SocketTransport implements SecurableTransport, Lingering {
  readonly #socket: ClientSocket
  readonly #options: Pick<SocketOptions, 'keepAliveMs' | 'noDelay'>
  readonly #lingerers: Pick<Lingerers, 'add'>
  readonly #path: string | undefined
  /** What has passed without being counted by this socket. */
  readonly #before: Passed
  readonly tls: ConnectionTls | undefined
  #receiver: Receiver | undefined
  #noDelay: boolean
  #hasWritten = false

  /**
   * @param lingerers - where the connection goes for its closing handshake
   * @param path - of the Unix socket that it was accepted on; undefined for TCP
   * @param before - what has passed already: by an earlier socket, or bytes that this one was given back
   * @param tls - what client and server have agreed on, if the socket is within TLS
   */
  constructor(
    socket: ClientSocket,
    options: Pick<SocketOptions, 'keepAliveMs' | 'noDelay'>,
    lingerers: Pick<Lingerers, 'add'>,
    path?: string,
    before = none,
    tls?: ConnectionTls,
  ) {
    const { keepAliveMs, noDelay } = options
    this.#socket = socket
    this.#options = options
    this.#lingerers = lingerers
    this.#path = path
    this.#before = before
    this.tls = tls
    // A Unix socket sends everything at once, and its system knows when a client is gone.
    this.#noDelay = noDelay && path === undefined
    if (keepAliveMs > 0 && path === undefined) socket.setKeepAlive(true, keepAliveMs)
  }

  get remote(): Remote | undefined {
    const { remoteAddress, remotePort } = this.#socket
    return this.#end(remoteAddress, remotePort)
  }

  get local(): Local | undefined {
    const { localAddress, localPort } = this.#socket
    return this.#end(localAddress, localPort)
  }

  get bytesRead(): number {
    return this.#before.bytesRead + this.#socket.bytesRead
  }

  get bytesWritten(): number {
    return this.#before.bytesWritten + this.#socket.bytesWritten
  }

  open(receiver: Receiver): void {
    const { receive, endInput, lose } = receiver
    this.#receiver = receiver
    this.#socket.on('data', receive)
    this.#socket.on('end', endInput)
    this.#socket.on('error', lose)
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    if (this.#socket.isPaused()) this.#socket.resume()
  }

  write(chunks: readonly Chunk[], onSent: (error?: Error | null) => void): void {
    // The first write is sent at once anyway; later ones must not wait for its acknowledgement (Nagle).
    if (this.#hasWritten && this.#noDelay) this.#socket.setNoDelay(true)
    this.#hasWritten = true
    const last = chunks.length - 1
    if (last === 0) this.#socket.write(ownCopy(chunks[0]), onSent)
    else this.#writeAll(chunks, last, onSent)
  }

  end(onEnded: (error?: Error | null) => void): void {
    this.#socket.end(onEnded)
  }

  setNoDelay(isOn: boolean): void {
    this.#noDelay = isOn
    this.#socket.setNoDelay(isOn)
  }

  setKeepAlive(isOn: boolean, afterMs: number): void {
    this.#socket.setKeepAlive(isOn, afterMs)
  }

  forTls(): this {
    return this
  }

  async secure(door: TlsDoor, unused: Buffer): Promise<Transport> {
    const socket = this.#socket
    if (this.#receiver !== undefined) {
      const { receive, endInput, lose } = this.#receiver
      socket.off('data', receive).off('end', endInput).off('error', lose)
    }
    socket.pause()
    const hasSent = this.bytesRead > 0
    if (unused.length > 0) socket.unshift(unused)
    const before = {
      bytesRead: this.bytesRead - unused.length,
      bytesWritten: this.bytesWritten,
    }
    // The handshake ends with a write, behind which the first answer would have to wait (Nagle).
    if (this.#noDelay) socket.setNoDelay(true)
    const secured = await door.secure(socket, hasSent)
    return new SocketTransport(
      secured.socket,
      this.#options,
      this.#lingerers,
      this.#path,
      before,
      secured.tls,
    )
  }

  destroy(): void {
    this.#socket.destroy()
  }

  conclude(): void {
    if (!this.#socket.destroyed) this.#lingerers.add(this)
  }

  finish(onClosed: () => void): void {
    this.#socket.once('close', onClosed)
    this.#socket.end()
    this.#socket.resume()
  }

  /** One end of the connection; undefined once the system has forgotten it. */
  #end(address: string | undefined, port: number | undefined): Remote | undefined {
    if (this.#path !== undefined) return { path: this.#path }
    if (address === undefined || port === undefined) return undefined
    return { address: plainAddress(address), port }
  }

  /** Corked chunks leave in one writev(2). */
  #writeAll(chunks: readonly Chunk[], last: number, onSent: (error?: Error | null) => void): void {
    this.#socket.cork()
    for (const [at, chunk] of chunks.entries())
      this.#socket.write(ownCopy(chunk), at === last ? onSent : undefined)
    this.#socket.uncork()
  }
}

/**
 * A copy of bytes, which may still be on their way when the caller runs again. Node.js sends from the memory that it was
 * given, even if the caller has transferred that memory and its new owner has freed it.
 */
function ownCopy(chunk: Chunk | undefined): Chunk | undefined {
  return typeof chunk === 'string' || chunk === undefined ? chunk : Buffer.from(chunk)
}
