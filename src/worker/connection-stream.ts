import { isIPv6 } from 'node:net'
import { Duplex } from 'node:stream'
import type { Local, Remote } from '../ipc/socket-handle.ts'
import type { Chunk, Transport } from './transport.ts'

/** The connection, as its stream sees it. */
export interface StreamSource {
  /** The bytes that have arrived; null once the client has ended its side. */
  read(): Promise<Buffer | null>
  /** Sends chunks in one go; calls back when the system has taken them, or never will. */
  send(chunks: readonly Chunk[], onSent: (failure: Error | null) => void): void
  /** Ends this side. */
  end(onEnded: (error?: Error | null) => void): void
  /** Closes the connection at once, unless it has failed already. */
  abandon(cause: Error | null): void
  readonly transport: Pick<Transport, 'setNoDelay' | 'setKeepAlive'>
  readonly addresses: { readonly remote: Remote; readonly local: Local }
}

/**
 * A connection as a Duplex, with those members of a `net.Socket` that libraries ask for.
 *
 * - The client's end of its side ends the readable side; `end` ends this side only, so the client may go on sending.
 * - When the connection fails, the stream is destroyed with that error. Without a listener for it, the worker
 *   still does not end.
 * - `destroy` stops reading. With an error, or before everything written was sent, it closes the connection at once, so
 *   that no client takes half an answer for a whole one; otherwise the handler may still write to the connection.
 */
export class ConnectionStream extends Duplex {
  readonly #source: StreamSource
  #idleMs = 0
  #idle: NodeJS.Timeout | undefined

  /** @internal */
  constructor(source: StreamSource) {
    super()
    this.#source = source
    // The connection's calls and its signal tell of the error, too: without a listener, it would end the worker.
    this.on('error', () => {})
  }

  /** As for any `net.Socket`, the addresses are undefined on a Unix socket. */
  get remoteAddress(): string | undefined {
    return this.#source.addresses.remote.address
  }

  get remotePort(): number | undefined {
    return this.#source.addresses.remote.port
  }

  get remoteFamily(): 'IPv4' | 'IPv6' | undefined {
    const { remoteAddress } = this
    if (remoteAddress === undefined) return undefined
    return isIPv6(remoteAddress) ? 'IPv6' : 'IPv4'
  }

  get localAddress(): string | undefined {
    return this.#source.addresses.local.address
  }

  get localPort(): number | undefined {
    return this.#source.addresses.local.port
  }

  setNoDelay(isOn = true): this {
    this.#source.transport.setNoDelay(truthOf(isOn))
    return this
  }

  setKeepAlive(isOn = false, afterMs = 0): this {
    this.#source.transport.setKeepAlive(truthOf(isOn), timeOf(afterMs))
    return this
  }

  /** Emits `timeout` when nothing has passed for so long; 0 turns it off. */
  setTimeout(ms: number, onTimeout?: () => void): this {
    this.#idleMs = ms
    if (onTimeout !== undefined && ms > 0) this.once('timeout', onTimeout)
    this.#stir()
    return this
  }

  /** A connection keeps its worker running in any case. */
  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  /** Ends this side, and destroys the stream once everything is sent. */
  destroySoon(): void {
    if (this.writable) this.end()
    if (this.writableFinished) this.destroy()
    else this.once('finish', () => this.destroy())
  }

  /** As for any stream, except that the iteration's end does not destroy it: the handler has yet to answer. */
  override [Symbol.asyncIterator](): ReturnType<Duplex['iterator']> {
    return this.iterator({ destroyOnReturn: false })
  }

  override _read(): void {
    this.#source.read().then(
      (chunk) => {
        if (this.destroyed) return
        this.#stir()
        this.push(chunk)
      },
      (error: Error) => this.destroy(error),
    )
  }

  override _write(
    chunk: Buffer,
    _encoding: BufferEncoding,
    onWritten: (error?: Error | null) => void,
  ): void {
    this.#send([chunk], onWritten)
  }

  override _writev(
    chunks: readonly { readonly chunk: Buffer }[],
    onWritten: (error?: Error | null) => void,
  ): void {
    this.#send(
      chunks.map(({ chunk }) => chunk),
      onWritten,
    )
  }

  override _final(onEnded: (error?: Error | null) => void): void {
    this.#source.end(onEnded)
  }

  override _destroy(error: Error | null, onDestroyed: (error?: Error | null) => void): void {
    clearTimeout(this.#idle)
    if (error !== null || this.writableLength > 0) this.#source.abandon(error)
    onDestroyed(error)
  }

  #send(chunks: readonly Buffer[], onWritten: (error?: Error | null) => void): void {
    this.#stir()
    try {
      this.#source.send(chunks, onWritten)
    } catch (error) {
      onWritten(error as Error)
    }
  }

  /** Something has passed. */
  #stir(): void {
    clearTimeout(this.#idle)
    if (this.#idleMs === 0 || this.destroyed) return
    this.#idle = setTimeout(() => this.emit('timeout'), this.#idleMs)
  }
}

/** What a caller without types may give; a socket of Node's takes it as well. */
const truthOf = (value: unknown): boolean => Boolean(value)

function timeOf(value: unknown): number {
  const ms = Number(value)
  return Number.isFinite(ms) ? Math.max(0, ms) : 0
}
