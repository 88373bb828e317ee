import type { LineEnding } from '../config/line-endings.ts'
import { HelloserverError } from '../errors.ts'
import type { Traffic } from '../ipc/progress.ts'
import type { Local, Remote } from '../ipc/socket-handle.ts'
import type { ProxyHeader } from '../proxy-protocol/proxy-header.ts'
import type { Alarm } from './alarm.ts'
import { ConnectionStream } from './connection-stream.ts'
import { type FrameFormat, Frames } from './frames.ts'
import { Incoming } from './incoming.ts'
import { quiet } from './quiet.ts'
import {
  ahead,
  anything,
  atMost,
  type Bound,
  exactly,
  line,
  lineBound,
  type Read,
  something,
  until,
} from './reads.ts'
import { shown } from './shown.ts'
import type { TlsDoor } from './tls-door.ts'
import {
  type Chunk,
  type ConnectionTls,
  chunksOf,
  type Receiver,
  type Transport,
} from './transport.ts'

/** Stands for an end of a connection that was reset, which the system forgets (getpeername(2), ENOTCONN). */
const forgotten = { address: 'unknown', port: 0 }

/** Limits on a handler's input and time, in bytes and milliseconds. */
export interface ConnectionLimits {
  readonly maxLineBytes: number
  readonly readTimeoutMs: number
  readonly deadlineMs: number
  readonly handshakeTimeoutMs: number
  readonly lineEnding: LineEnding
}

/** How a connection has come to its worker. */
export interface ConnectionOrigin {
  /** The way to TLS; undefined when the endpoint has no certificate. */
  readonly door?: TlsDoor | undefined
  /** The header that a proxy has sent in front; undefined when the endpoint expects none. */
  readonly proxy?: ProxyHeader | undefined
}

/** The bound of one `readUntil`. */
export interface UntilOptions {
  /** The longest result that is accepted, delimiter included, from 1 [less than `connection.maxLineBytes`, as for lines]. */
  readonly maxBytes?: number
}

/** The worker's timers, lent to its active connection. */
export interface Alarms {
  /** Goes off after `readTimeoutMs`. */
  readonly read: Alarm
  /** Goes off after `deadlineMs`. */
  readonly deadline: Alarm
  /** Goes off after `handshakeTimeoutMs`. */
  readonly handshake: Alarm
}

/** The error for a handler that still uses a connection after it has settled; one for all connections. */
const ended = new HelloserverError('CONNECTION_ENDED', 'The connection ended with its handler')

/** For all writes that were over when they returned. */
const done = Promise.resolve()

/** How many bytes are buffered while the handler does not read; after that, the client has to wait. */
const highWaterBytes = 65_536

/** Why a connection is given up from outside of its handler. */
type EndCode = 'DEADLINE' | 'TERMINATED' | 'CLIENT_GONE' | 'LEASE_LOST' | 'TLS_TIMEOUT'

/**
 * One client's connection, as a handler sees it. Bytes are bytes: no encoding is assumed. One read may wait at a time.
 *
 * Its methods reject with these errors, by code: `CLIENT_GONE` (the client reset the connection),
 * `READ_TIMEOUT` (the client sent nothing for `connection.readTimeoutMs`), `LINE_TOO_LONG` (a line, a delimited piece
 * or a frame exceeds its bound), `ENDED_EARLY` (the client ended its side in the middle of one), `DEADLINE` (the
 * connection took longer than `connection.deadlineMs`), `TERMINATED` (the service stops now), `LEASE_LOST`
 * (another host may serve by now, and `lease.onLoss` is "abort"), `TLS_FAILED` and `TLS_TIMEOUT` (only `startTls`). A
 * read that fails takes nothing.
 */
export class Connection implements AsyncIterable<Buffer> {
  /** A whole number, unique within one run of the service. */
  readonly id: number
  /**
   * The header that a proxy has sent in front of this connection, where the endpoint has `proxyProtocol`; undefined
   * elsewhere. `remote` and `local` are taken from it already.
   */
  readonly proxy: ProxyHeader | undefined
  readonly #door: TlsDoor | undefined
  readonly #receiver: Receiver
  #transport: Transport
  readonly #limits: ConnectionLimits
  readonly #incoming: Incoming
  readonly #alarms: Alarms
  #remote: Remote | undefined
  #local: Local | undefined
  #outputEnded = false
  #isReleased = false
  #hasWritten = false
  #unflushed = 0
  #failure: HelloserverError | undefined
  #abort: AbortController | undefined
  #stream: ConnectionStream | undefined
  #securing: Promise<void> | undefined
  #flushed: (() => void) | undefined

  /** @internal Created by the worker; the transport's socket is claimed and not read yet. */
  constructor(
    id: number,
    transport: Transport,
    limits: ConnectionLimits,
    alarms: Alarms,
    { door, proxy }: ConnectionOrigin = {},
  ) {
    this.id = id
    this.proxy = proxy
    this.#door = door
    this.#alarms = alarms
    this.#transport = transport
    this.#limits = limits
    // A stream reads all the time, and a client that is being sent to need not send.
    this.#incoming = new Incoming(
      alarms.read,
      limits.readTimeoutMs,
      () => this.#stream !== undefined && this.#unflushed > 0,
    )
    this.#receiver = {
      receive: (chunk) => this.#receive(chunk),
      endInput: () => this.#incoming.end(),
      lose: (cause) => this.#lose(cause),
    }
    transport.open(this.#receiver)
    alarms.deadline.set(() =>
      this.end('DEADLINE', `The connection took longer than ${limits.deadlineMs} ms`),
    )
  }

  /**
   * The client's address and port, requested from the system on first use: `unknown` and 0 if the client had
   * reset the connection by then. On a Unix socket, where clients have no address, the path of that socket.
   */
  get remote(): Remote {
    this.#remote ??= this.proxy?.source ?? this.#transport.remote ?? forgotten
    return this.#remote
  }

  /** The address and port, or the path, to which the client has connected; requested on first use, as `remote` is. */
  get local(): Local {
    this.#local ??= this.proxy?.destination ?? this.#transport.local ?? forgotten
    return this.#local
  }

  /** TLS on this connection; undefined as long as there is none. */
  get tls(): ConnectionTls | undefined {
    return this.#transport.tls
  }

  /**
   * Aborted when the connection cannot continue: at its deadline, when the client resets it, or when the
   * service is told to stop at once. Its `reason` is the error that pending calls reject with.
   */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController()
    if (this.#failure !== undefined) this.#abort.abort(this.#failure)
    return this.#abort.signal
  }

  /**
   * The next line, including its end as `connection.lineEnding` has it. When the client ends its side, the bytes after
   * the last one are returned without one; then, or if there are none, `null`. A line that is too long stays where it
   * is: further calls reject, too, unless its bytes are read in another way.
   */
  readLine(): Promise<Buffer | null> {
    return this.#read(line(this.#limits.lineEnding, lineBound(this.#limits.maxLineBytes)))
  }

  /** All bytes that have arrived, at least one; `null` once the client has ended its side. */
  read(): Promise<Buffer | null> {
    return this.#read(anything)
  }

  /**
   * The next `bytes` bytes, from 0 to 1 GiB; `null` when the client has ended its side before the first of them. Bound
   * a number that comes from the client.
   */
  readExactly(bytes: number): Promise<Buffer | null> {
    return this.#read(() => exactly(bytes))
  }

  /**
   * The bytes up to and including `delimiter`, which is text in UTF-8 or bytes; `null` when the client has ended its
   * side before the first of them.
   */
  readUntil(delimiter: string | Uint8Array, options: UntilOptions = {}): Promise<Buffer | null> {
    return this.#read(() => until(delimiter, this.#bound('options', options)))
  }

  /**
   * The next `bytes` bytes, from 1 to 1 GiB, which the next read returns again; fewer when the client has ended its
   * side before, `null` when there are none. Do not change them.
   */
  peek(bytes: number): Promise<Buffer | null> {
    return this.#read(() => ahead(bytes))
  }

  /**
   * Reads and writes frames that begin with their length.
   *
   * @throws RangeError for a format that does not exist
   */
  frames(format: FrameFormat): Frames {
    return new Frames(
      format,
      this.#bound('format', format),
      (read) => this.#read(read),
      (chunks) => this.write(chunks),
    )
  }

  /** The lines until the client ends its side, each as `readLine` returns it. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    for (let next = await this.readLine(); next !== null; next = await this.readLine()) yield next
  }

  /**
   * Sends bytes, or text as UTF-8; several chunks go out in one piece, without being copied together. Resolves when the
   * system has taken all of it: a handler that awaits each write keeps at most one of them in memory. Until then, do not
   * change or transfer the bytes.
   */
  write(data: Chunk | readonly Chunk[]): Promise<void> {
    const sending: { failure?: Error | null; settle?: (failure: Error | null) => void } = {}
    try {
      this.#send(chunksOf(data), (failure) => {
        sending.failure = failure
        sending.settle?.(failure)
      })
    } catch (error) {
      return quiet(Promise.reject(error))
    }
    // Usually, the system takes it at once.
    if (sending.failure === null) return done
    const written = new Promise<void>((resolve, reject) => {
      sending.settle = (failure) => (failure === null ? resolve() : reject(failure))
      if (sending.failure !== undefined) sending.settle(sending.failure)
    })
    // `flush` sees the failure, too.
    return quiet(written)
  }

  /**
   * The connection as a Duplex of Node.js, always the same one; it begins with what has arrived and was not read. From
   * the first call on, the connection is read through it only.
   *
   * @throws Error while a read waits
   */
  stream(): ConnectionStream {
    if (this.#stream === undefined) {
      this.#throwIfSecuring()
      this.#incoming.throwIfAwaited()
      this.#stream = this.#openStream()
      if (this.#failure !== undefined) this.#stream.destroy(this.#failure)
    }
    return this.#stream
  }

  /**
   * Begins TLS on a connection that has begun in the clear, with the certificate of an endpoint whose `tls.start` is
   * "handler". Everything that was written is sent before; bytes that have arrived and were not read belong to TLS, so
   * that nothing that was sent in the clear can pass for a part of it. Resolves when client and server have agreed. If
   * they do not, the connection has failed.
   *
   * @throws HelloserverError `TLS_FAILED`, or `TLS_TIMEOUT` after `connection.handshakeTimeoutMs`
   * @throws Error without a certificate, on a connection with TLS, while a read waits, and after `stream`
   */
  startTls(): Promise<void> {
    const begun = new Promise<void>((resolve) => {
      this.#throwIfUnusable()
      this.#securing = quiet(this.#secure(this.#tlsDoor()))
      resolve(this.#securing)
    })
    // `flush` sees the failure, too.
    return quiet(begun)
  }

  /** @internal How many bytes have passed, without those of TLS and PROXY headers. */
  get traffic(): Traffic {
    const { bytesRead: bytesIn, bytesWritten: bytesOut } = this.#transport
    return { bytesIn, bytesOut }
  }

  /** @internal Whether no byte has passed in either direction. */
  get isUntouched(): boolean {
    return !this.#hasWritten && this.#transport.bytesRead === 0
  }

  /** @internal Gives up the connection: pending calls reject, and the socket is closed at once. */
  end(code: EndCode, message: string): void {
    this.#fail(new HelloserverError(code, message))
    this.#transport.destroy()
  }

  /** @internal Whether the system has taken everything that the handler wrote, and nothing is wrong. */
  get isFlushed(): boolean {
    return (
      this.#unflushed === 0 &&
      this.#failure === undefined &&
      this.#securing === undefined &&
      this.#stream === undefined
    )
  }

  /**
   * @internal Resolves when the system has taken everything that the handler wrote, awaited or not.
   *
   * @throws HelloserverError the reason why it never will
   */
  async flush(): Promise<void> {
    await this.#securing
    await this.#sent()
    if (this.#failure !== undefined && this.#failure.code !== 'CLIENT_GONE') throw this.#failure
  }

  async #sent(): Promise<void> {
    while (this.#unflushed > 0 || (this.#stream?.writableLength ?? 0) > 0) {
      this.#throwFailure()
      await new Promise<void>((resolve) => {
        this.#flushed = resolve
      })
    }
  }

  /** @internal The handler has settled: further calls fail, and further input is discarded. */
  release(): void {
    this.#isReleased = true
    this.#alarms.deadline.clear()
    this.#alarms.read.clear()
    this.#fail(ended)
  }

  /** @internal Ends this side; the closing handshake goes on in the background. */
  conclude(): void {
    this.#transport.conclude()
  }

  /** @internal Closes at once. */
  destroy(): void {
    this.#transport.destroy()
  }

  #receive(chunk: Buffer): void {
    if (this.#isReleased) return
    this.#incoming.push(chunk)
    if (!this.#incoming.isAwaited && this.#incoming.length >= highWaterBytes)
      this.#transport.pause()
  }

  /** The result of a read, at once or once it has arrived. A function is a read that is yet to be checked. */
  #read(wanted: Read | (() => Read)): Promise<Buffer | null> {
    try {
      if (this.#stream !== undefined) throw new Error('The connection is read through its stream')
      return this.#start(typeof wanted === 'function' ? wanted() : wanted)
    } catch (error) {
      return quiet(Promise.reject(error))
    }
  }

  /** @throws what the promise would reject with, if that is known already */
  #start(read: Read): Promise<Buffer | null> {
    this.#throwIfUnusable()
    const arrived = this.#incoming.read(read)
    if (arrived !== undefined) return Promise.resolve(arrived)
    const awaited = new Promise<Buffer | null>((resolve, reject) => {
      this.#incoming.await(read, resolve, reject)
      this.#transport.resume()
    })
    return quiet(awaited)
  }

  #send(chunks: readonly Chunk[], onSent: (failure: Error | null) => void): void {
    this.#throwIfUnusable()
    if (this.#outputEnded)
      throw new HelloserverError('CONNECTION_ENDED', 'The stream has ended this side')
    if (chunks.length === 0) {
      onSent(null)
      return
    }
    this.#hasWritten = true
    // The transport may call back at once.
    this.#unflushed += 1
    const onTaken = (error?: Error | null) => {
      // A write may learn of the client's reset before the socket does.
      if (error !== null && error !== undefined) this.#lose(error)
      // Node reports success for a write whose socket was destroyed.
      if (this.#failure !== undefined) {
        onSent(this.#failure)
        return
      }
      this.#unflushed -= 1
      onSent(null)
      this.#flushed?.()
      if (this.#stream !== undefined) this.#incoming.allowSilence()
    }
    try {
      this.#transport.write(chunks, onTaken)
    } catch (error) {
      // It was not taken, and the callback is never called.
      this.#unflushed -= 1
      throw error
    }
  }

  #openStream(): ConnectionStream {
    return new ConnectionStream({
      read: async () => this.#start(something),
      send: (chunks, onSent) => this.#send(chunks, onSent),
      end: (onEnded) => {
        this.#outputEnded = true
        this.#transport.end(onEnded)
      },
      abandon: (cause) => {
        if (this.#failure !== undefined) return
        this.#fail(cause instanceof HelloserverError ? cause : destroyed(cause))
        this.#transport.destroy()
      },
      transport: this.#transport,
      addresses: this,
    })
  }

  /** The way to TLS, if this connection may take it now. */
  #tlsDoor(): TlsDoor {
    if (this.tls !== undefined) throw new Error('The connection has TLS already')
    if (this.#stream !== undefined) throw new Error('The connection is used through its stream')
    this.#incoming.throwIfAwaited()
    if (this.#door === undefined)
      throw new Error('The endpoint has no certificate; set its "tls" in the configuration')
    return this.#door
  }

  async #secure(door: TlsDoor): Promise<void> {
    const { handshakeTimeoutMs } = this.#limits
    this.#alarms.handshake.set(() =>
      this.end('TLS_TIMEOUT', `The TLS handshake took longer than ${handshakeTimeoutMs} ms`),
    )
    try {
      await this.#sent()
      this.#throwFailure()
      if (this.#incoming.hasEnded) throw new HelloserverError('CLIENT_GONE', 'The client has left')
      const clear = this.#transport.forTls()
      this.#transport = clear
      this.#transport = await clear.secure(door, this.#incoming.takeAll())
    } catch (error) {
      this.#fail(error as HelloserverError)
    }
    this.#alarms.handshake.clear()
    if (this.#failure !== undefined) {
      this.#transport.destroy()
      throw this.#failure
    }
    this.#transport.open(this.#receiver)
  }

  /** @throws RangeError for an argument that is no object, or has a bound that is no such number */
  #bound(name: string, argument: UntilOptions): Bound {
    // Otherwise, a number in place of the object would be ignored.
    if (typeof argument !== 'object' || argument === null)
      throw new RangeError(`${name} is ${shown(argument)}; it must be an object`)
    const { maxBytes } = argument
    return maxBytes === undefined ? lineBound(this.#limits.maxLineBytes) : atMost(maxBytes)
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  #throwIfUnusable(): void {
    this.#throwFailure()
    this.#throwIfSecuring()
  }

  /** Whether a handshake is under way. */
  get #isSecuring(): boolean {
    return this.#securing !== undefined && this.tls === undefined && this.#failure === undefined
  }

  #throwIfSecuring(): void {
    // What would be written now would be sent in the clear, in the middle of the handshake.
    if (this.#isSecuring)
      throw new Error('TLS begins on the connection; await startTls() before any other call')
  }

  #lose(cause: Error): void {
    // Anything else than the system's word is the handler's fault.
    this.#fail(cause instanceof HelloserverError ? cause : reset(cause))
  }

  /** The first cause wins. */
  #fail(failure: HelloserverError): void {
    if (this.#failure !== undefined) return
    this.#failure = failure
    this.#abort?.abort(failure)
    this.#incoming.reject(failure)
    this.#flushed?.()
    this.#stream?.destroy(failure)
  }
}

const reset = (cause: Error) =>
  new HelloserverError('CLIENT_GONE', 'The client reset the connection', { cause })

const destroyed = (cause: Error | null) =>
  new HelloserverError('CONNECTION_ENDED', 'The stream was destroyed before it had ended', {
    cause,
  })
