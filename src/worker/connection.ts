import { HelloserverError, LineTooLongError } from '../errors.ts'
import type { Remote } from '../ipc/socket-handle.ts'
import type { Alarm } from './alarm.ts'
import type { ClientSocket } from './client-socket.ts'
import { LineBuffer } from './line-buffer.ts'

/** Stands for the peer of a connection that was reset, which the system forgets (getpeername(2), ENOTCONN). */
const forgotten: Remote = { address: 'unknown', port: 0 }

/** Limits on a handler's input and time, in bytes and milliseconds. */
export interface ConnectionLimits {
  readonly maxLineBytes: number
  readonly readTimeoutMs: number
  readonly deadlineMs: number
}

/** The worker's timers, lent to its active connection. */
export interface Alarms {
  /** Goes off after `readTimeoutMs`. */
  readonly read: Alarm
  /** Goes off after `deadlineMs`. */
  readonly deadline: Alarm
}

/** The error for a handler that still uses a connection after it has settled; one for all connections. */
const ended = new HelloserverError('CONNECTION_ENDED', 'The connection ended with its handler')

/** How many bytes are buffered while nobody reads, before the client has to wait. */
const highWaterBytes = 65_536

/**
 * One client's connection, as a handler sees it. Bytes are bytes: no encoding is assumed.
 *
 * Its methods reject with these errors, by code: `CLIENT_GONE` (the client reset the connection),
 * `READ_TIMEOUT` (the client sent nothing for `connection.readTimeoutMs`), `LINE_TOO_LONG`, `DEADLINE` (the
 * connection took longer than `connection.deadlineMs`), `TERMINATED` (the service stops now), `LEASE_LOST`
 * (another host may serve by now, and `lease.onLoss` is "abort").
 */
export class Connection implements AsyncIterable<Buffer> {
  /** Unique within one run of the service; rises by one with each accepted connection. */
  readonly id: number
  readonly #socket: ClientSocket
  readonly #limits: ConnectionLimits
  readonly #input = new LineBuffer()
  readonly #alarms: Alarms
  #remote: Remote | undefined
  #inputEnded = false
  #isReleased = false
  #hasWritten = false
  #unflushed = 0
  #failure: HelloserverError | undefined
  #tooLong: LineTooLongError | undefined
  #abort: AbortController | undefined
  #wake: (() => void) | undefined
  #flushed: (() => void) | undefined

  /** @internal Created by the worker; `socket` is claimed and not read yet. */
  constructor(id: number, socket: ClientSocket, limits: ConnectionLimits, alarms: Alarms) {
    this.id = id
    this.#alarms = alarms
    this.#socket = socket
    this.#limits = limits
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('end', () => {
      this.#inputEnded = true
      this.#wake?.()
    })
    socket.on('error', (error) => this.#lose(error))
    alarms.deadline.set(() =>
      this.end('DEADLINE', `The connection took longer than ${limits.deadlineMs} ms`),
    )
  }

  /**
   * The client's address and port, requested from the system on first use: `unknown` and 0 if the client had
   * reset the connection by then.
   */
  get remote(): Remote {
    if (this.#remote === undefined) {
      const { remoteAddress: address, remotePort: port } = this.#socket
      this.#remote = address === undefined || port === undefined ? forgotten : { address, port }
    }
    return this.#remote
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
   * The next line, including its CRLF. When the client ends its side, the bytes after the last CRLF are
   * returned without one; then, or if there are none, `null`. After a line that was too long, the start of the
   * next one is unknown, so further calls reject, too.
   */
  readLine(): Promise<Buffer | null> {
    return quiet(this.#nextLine())
  }

  /** All bytes that have arrived, at least one; `null` once the client has ended its side. */
  read(): Promise<Buffer | null> {
    return quiet(this.#nextBytes())
  }

  /** The lines until the client ends its side, each as `readLine` returns it. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    for (let line = await this.readLine(); line !== null; line = await this.readLine()) yield line
  }

  /** Sends bytes, or text as UTF-8; resolves when the system has taken all of it. */
  write(data: string | Uint8Array): Promise<void> {
    const written = new Promise<void>((resolve, reject) => {
      this.#throwFailure()
      // The first write is sent at once anyway; later ones must not wait for its acknowledgement (Nagle).
      if (this.#hasWritten) this.#socket.setNoDelay(true)
      this.#hasWritten = true
      this.#socket.write(data, (error) => {
        // A write may learn of the client's reset before the socket does.
        if (error !== null && error !== undefined) this.#lose(error)
        // Node reports success for a write whose socket was destroyed.
        if (this.#failure !== undefined) {
          reject(this.#failure)
          return
        }
        this.#unflushed -= 1
        this.#flushed?.()
        resolve()
      })
      // Counted only now: if `write` throws, the callback is never called.
      this.#unflushed += 1
    })
    // `flush` sees the failure, too.
    return quiet(written)
  }

  /** @internal Whether no byte has passed in either direction. */
  get isUntouched(): boolean {
    return !this.#hasWritten && this.#socket.bytesRead === 0
  }

  /** @internal Gives up the connection: pending calls reject, and the socket is closed at once. */
  end(code: 'DEADLINE' | 'TERMINATED' | 'CLIENT_GONE' | 'LEASE_LOST', message: string): void {
    this.#fail(new HelloserverError(code, message))
    this.#socket.destroy()
  }

  /**
   * @internal Resolves when the system has taken everything that the handler wrote, awaited or not.
   *
   * @throws HelloserverError the reason why it never will
   */
  async flush(): Promise<void> {
    while (this.#unflushed > 0) {
      this.#throwFailure()
      await new Promise<void>((resolve) => {
        this.#flushed = resolve
      })
    }
    if (this.#failure !== undefined && this.#failure.code !== 'CLIENT_GONE') throw this.#failure
  }

  /** @internal Returns the socket for its closing handshake; further input is discarded. */
  release(): ClientSocket {
    this.#isReleased = true
    this.#alarms.deadline.clear()
    this.#alarms.read.clear()
    this.#fail(ended)
    return this.#socket
  }

  #receive(chunk: Buffer): void {
    if (this.#isReleased) return
    this.#input.push(chunk)
    if (this.#wake !== undefined) this.#wake()
    else if (this.#input.length >= highWaterBytes) this.#socket.pause()
  }

  async #nextLine(): Promise<Buffer | null> {
    const { maxLineBytes } = this.#limits
    for (;;) {
      this.#throwFailure()
      if (this.#tooLong !== undefined) throw this.#tooLong
      const line = this.#input.length === 0 ? undefined : this.#input.takeLine()
      if ((line ?? this.#input).length >= maxLineBytes) {
        this.#tooLong = new LineTooLongError(maxLineBytes)
        continue
      }
      if (line !== undefined) return line
      if (this.#inputEnded) return this.#rest()
      await this.#more()
    }
  }

  async #nextBytes(): Promise<Buffer | null> {
    for (;;) {
      this.#throwFailure()
      if (this.#input.length > 0 || this.#inputEnded) return this.#rest()
      await this.#more()
    }
  }

  #rest(): Buffer | null {
    return this.#input.length > 0 ? this.#input.takeAll() : null
  }

  /** Waits until more has arrived, the input has ended, or the connection has failed. */
  #more(): Promise<void> {
    if (this.#wake !== undefined)
      throw new Error('Another read of this connection is still waiting')
    if (this.#socket.isPaused()) this.#socket.resume()
    return new Promise((resolve, reject) => {
      this.#alarms.read.set(() => {
        this.#wake = undefined
        const { readTimeoutMs } = this.#limits
        reject(
          new HelloserverError('READ_TIMEOUT', `The client sent nothing for ${readTimeoutMs} ms`),
        )
      })
      this.#wake = () => {
        this.#wake = undefined
        this.#alarms.read.clear()
        resolve()
      }
    })
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  #lose(cause: Error): void {
    this.#fail(new HelloserverError('CLIENT_GONE', 'The client reset the connection', { cause }))
  }

  /** The first cause wins. */
  #fail(failure: HelloserverError): void {
    if (this.#failure !== undefined) return
    this.#failure = failure
    this.#abort?.abort(failure)
    this.#wake?.()
    this.#flushed?.()
  }
}

/**
 * Lets a handler ignore one of our promises, or await it later: its rejection does not count as unhandled,
 * which would end the worker, so no client can end a worker by leaving.
 */
function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  return promise
}
