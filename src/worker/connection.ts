import type { Socket } from 'node:net'
import { HelloserverError, LineTooLongError } from '../errors.ts'
import type { Remote } from '../ipc/socket-handle.ts'
import type { Alarm } from './alarm.ts'
import { LineBuffer } from './line-buffer.ts'

/** The system forgets the peer of a connection that was reset (getpeername(2), ENOTCONN). */
const forgotten: Remote = { address: 'unknown', port: 0 }

/** What a handler may take and how long it may take; milliseconds and bytes. */
export interface ConnectionLimits {
  readonly maxLineBytes: number
  readonly readTimeoutMs: number
  readonly deadlineMs: number
}

/** The worker's timers, lent to the one connection that it has in hand. */
export interface Alarms {
  /** Goes off after `readTimeoutMs`. */
  readonly read: Alarm
  /** Goes off after `deadlineMs`. */
  readonly deadline: Alarm
}

/** What a handler meets that goes on using a connection after it has settled; made once, as it is for all. */
const ended = new HelloserverError('CONNECTION_ENDED', 'The connection has ended with its handler')

/** While nobody reads, so many bytes are kept before the client is left to wait. */
const highWaterBytes = 65_536

/**
 * One client's connection, as a handler sees it. Bytes are bytes: no encoding is assumed.
 *
 * Errors that its methods reject with, by code: `CLIENT_GONE` (reset by the client), `READ_TIMEOUT` (the
 * client sent nothing for `connection.readTimeoutMs`), `LINE_TOO_LONG`, `DEADLINE` (the connection took
 * longer than `connection.deadlineMs`), `TERMINATED` (the service stops now), `LEASE_LOST` (another host may serve
 * by now, and `lease.onLoss` is "abort").
 */
export class Connection implements AsyncIterable<Buffer> {
  /** Unique within one run of the service; rises by one with each connection accepted. */
  readonly id: number
  readonly #socket: Socket
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

  /** @internal Made by the worker; `socket` is claimed and not read yet. */
  constructor(id: number, socket: Socket, limits: ConnectionLimits, alarms: Alarms) {
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
   * The client's address and port, asked of the system when they are first wanted: `unknown` and 0 if the
   * client had reset the connection by then.
   */
  get remote(): Remote {
    if (this.#remote === undefined) {
      const { remoteAddress: address, remotePort: port } = this.#socket
      this.#remote = address === undefined || port === undefined ? forgotten : { address, port }
    }
    return this.#remote
  }

  /**
   * Aborted when the connection cannot go on: at its deadline, when the client resets it, or when the
   * service is told to stop at once. Its `reason` is the error that pending calls reject with.
   */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController()
    if (this.#failure !== undefined) this.#abort.abort(this.#failure)
    return this.#abort.signal
  }

  /**
   * The next line, its CRLF included. When the client ends its side, what came after the last CRLF is
   * returned without one; then, and after nothing at all, comes `null`. After a line that was too long,
   * nothing says where the next one begins: it goes on rejecting.
   */
  readLine(): Promise<Buffer | null> {
    return quiet(this.#nextLine())
  }

  /** Whatever has arrived, at least one byte; `null` once the client has ended its side. */
  read(): Promise<Buffer | null> {
    return quiet(this.#nextBytes())
  }

  /** The lines until the client ends its side, each as `readLine` gives it. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    for (let line = await this.readLine(); line !== null; line = await this.readLine()) yield line
  }

  /** Sends bytes, or text as UTF-8; resolves when the system has taken all of it. */
  write(data: string | Uint8Array): Promise<void> {
    const written = new Promise<void>((resolve, reject) => {
      this.#throwFailure()
      // A first write is sent at once anyway; a further one must not wait for its acknowledgement (Nagle).
      if (this.#hasWritten) this.#socket.setNoDelay(true)
      this.#hasWritten = true
      this.#socket.write(data, (error) => {
        // A write may hear of the client's reset before the socket does.
        if (error !== null && error !== undefined) this.#lose(error)
        // Node says "done", without an error, of a write that its socket was destroyed under.
        if (this.#failure !== undefined) {
          reject(this.#failure)
          return
        }
        this.#unflushed -= 1
        this.#flushed?.()
        resolve()
      })
      // Counted only now: what the socket refuses by throwing is never called back for.
      this.#unflushed += 1
    })
    // What failed, `flush` sees too.
    return quiet(written)
  }

  /** @internal Whether no byte has passed, either way. */
  get isUntouched(): boolean {
    return !this.#hasWritten && this.#socket.bytesRead === 0
  }

  /** @internal Gives the connection up: pending calls reject, the socket is closed at once. */
  end(code: 'DEADLINE' | 'TERMINATED' | 'CLIENT_GONE' | 'LEASE_LOST', message: string): void {
    this.#fail(new HelloserverError(code, message))
    this.#socket.destroy()
  }

  /**
   * @internal Resolves when everything that the handler wrote has been taken by the system, awaited or not.
   *
   * @throws HelloserverError why it never will be
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

  /** @internal Hands the socket back, for its closing handshake: nothing more is kept of what arrives. */
  release(): Socket {
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
 * Lets a handler leave a promise of ours alone, or await it later: its rejection is not one that nobody
 * handles, which would end the worker, so no client can do that by leaving.
 */
function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  return promise
}
