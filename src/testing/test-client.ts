import { type Deferred, deferred } from '../async/deferred.ts'
import type { TcpAddress } from '../ipc/socket-handle.ts'
import type { FailReason } from '../lifecycle/fail-reasons.ts'
import type { ProxyHeader } from '../proxy-protocol/proxy-header.ts'
import { InputBuffer } from '../worker/input-buffer.ts'
import { quiet } from '../worker/quiet.ts'
import type { ConnectionTls } from '../worker/transport.ts'
import { clientHello } from './memory-door.ts'
import { type Arrival, connectionReset, type FarEnd, MemorySocket } from './memory-socket.ts'
import { nextTurn } from './turn.ts'

const crlf = Buffer.from('\r\n')

/** How a connection ended, as the service's counters and its access log have it. */
export interface Outcome {
  /** `gone`: the client reset the connection before a byte had passed. */
  readonly outcome: 'served' | 'failed' | 'gone'
  /** Why it failed; null when it did not. */
  readonly reason: FailReason | null
  /** The value that the handler threw; undefined when it threw none. */
  readonly error: unknown
  /** How many bytes the handler's connection received and sent. */
  readonly bytesIn: number
  readonly bytesOut: number
}

export interface ConnectOptions {
  /** The client's address, as `connection.remote` shows it ["127.0.0.1" and a port of its own]. */
  readonly remote?: Partial<TcpAddress>
  /**
   * The PROXY header in front of the connection, as `connection.proxy` shows it; `connection.remote` and `local` are its
   * `source` and `destination` then [no header; what is left out has the values of a header of version 2 without it].
   */
  readonly proxy?: Partial<ProxyHeader>
  /** TLS from the beginning, as for `startTls` [none]. */
  readonly tls?: TlsOptions
  /** How many bytes the client takes before the test reads them; the handler's writes then wait [no limit]. */
  readonly maxUnreadBytes?: number
}

/**
 * TLS as client and server agree on it, as `connection.tls` shows it [`protocol`: "TLSv1.3"; `cipher`:
 * "TLS_AES_256_GCM_SHA384"; no name, no certificate; `isVerified`: whether there is a certificate].
 */
export type TlsOptions = Partial<ConnectionTls>

export interface WriteOptions {
  /** Sends the bytes in pieces of this length, which arrive one by one [65,536, the most that Node.js reads at once]. */
  readonly pieceBytes?: number
}

/** The client's connection, as the app under test serves it. */
interface Served {
  isOpen(): boolean
  /** Called when the test asks for the outcome. */
  ended(): Promise<Outcome>
}

/** The length of the buffer into which libuv reads, in bytes. */
const mostAtOnceBytes = 65_536

const ended = () => new Error('The connection ended before TLS began')

/** A number that is not would keep the test waiting for ever. */
function mustBePositive(option: string, bytes: number): void {
  if (typeof bytes === 'number' && bytes >= 1) return
  throw new RangeError(`${option} is ${String(bytes)}; it must be a number from 1`)
}

/** A client's end of a connection: it sends bytes and reads the answers. */
export class TestClient {
  readonly #socket: MemorySocket
  readonly #connection: Served
  readonly #maxUnreadBytes: number
  readonly #input = new InputBuffer()
  /** Called when there is room for more. */
  #onRoom: (() => void) | undefined
  /** Whether more may come, and if not, why. */
  #server: 'open' | 'ended' | 'reset' = 'open'
  #own: 'open' | 'ended' | 'reset' = 'open'
  #wake: (() => void) | undefined
  #tls: TlsOptions = {}
  #securing: Deferred<void> | undefined

  /** @internal */
  constructor(
    remote: TcpAddress,
    { maxUnreadBytes = Number.POSITIVE_INFINITY }: ConnectOptions,
    connection: Served,
  ) {
    mustBePositive('maxUnreadBytes', maxUnreadBytes)
    this.#maxUnreadBytes = maxUnreadBytes
    this.#connection = connection
    this.#socket = new MemorySocket(remote, this.#farEnd())
  }

  /** @internal The worker's end. */
  get socket(): MemorySocket {
    return this.#socket
  }

  /** @internal What client and server agree on. */
  get tls(): ConnectionTls {
    const { peerCertificate } = this.#tls
    return {
      protocol: 'TLSv1.3',
      cipher: 'TLS_AES_256_GCM_SHA384',
      serverName: undefined,
      peerCertificate,
      isVerified: peerCertificate !== undefined,
      ...this.#tls,
    }
  }

  /** How the connection ended; resolves when its handler has settled and its answer is flushed. */
  get outcome(): Promise<Outcome> {
    return this.#connection.ended()
  }

  /** Whether the handler has yet to settle, or to be called. */
  get isOpen(): boolean {
    return this.#connection.isOpen()
  }

  /**
   * Sends bytes, or text as UTF-8; resolves when they have arrived, or wait because the handler does not read.
   *
   * @throws Error when the client has ended its side, or reset the connection; RangeError for pieces of less than a byte
   */
  async write(
    data: string | Uint8Array,
    { pieceBytes = mostAtOnceBytes }: WriteOptions = {},
  ): Promise<void> {
    mustBePositive('pieceBytes', pieceBytes)
    const bytes = Buffer.from(data as string)
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      this.#send(bytes.subarray(at, at + pieceBytes))
    }
    await this.#arrived()
  }

  /**
   * Begins TLS, for a handler that calls `connection.startTls`; resolves when it has. Nothing is encrypted; what is
   * written afterwards arrives behind the handshake.
   *
   * @param tls - what client and server agree on
   * @throws Error when the connection ends before, or the client has ended its side
   */
  startTls(tls: TlsOptions = {}): Promise<void> {
    this.#tls = tls
    const begun = (async () => {
      if (this.#server !== 'open') throw ended()
      this.#send(clientHello)
      this.#securing = deferred()
      await this.#securing.promise
    })()
    // A test may care for the outcome only.
    return quiet(begun)
  }

  /** Ends the client's side, and leaves the server's open (half-close). */
  async end(): Promise<void> {
    this.#send('end')
    this.#own = 'ended'
    await this.#arrived()
  }

  /** Resets the connection, as the system does for a client that has crashed or has left before its answer. */
  async reset(): Promise<void> {
    if (this.#own === 'reset') return
    this.#own = 'reset'
    this.#socket.arrive('reset')
    this.#close('reset')
    await this.#arrived()
  }

  /**
   * All bytes that have come and were not read yet, at least one; `null` when the server has ended its side.
   *
   * @throws Error `ECONNRESET`, when the connection was reset
   */
  async read(): Promise<Buffer | null> {
    while (this.#input.length === 0 && this.#server === 'open') await this.#more()
    if (this.#input.length > 0) return this.#taken(this.#input.take(this.#input.length))
    return this.#end()
  }

  /**
   * The next line, including its CRLF. When the server has ended its side, the bytes after the last CRLF are returned
   * without one; then, or if there are none, `null`.
   *
   * @throws Error `ECONNRESET`, when the connection was reset
   */
  async readLine(): Promise<Buffer | null> {
    for (;;) {
      const at = this.#input.indexOf(crlf)
      if (at >= 0) return this.#taken(this.#input.take(at + crlf.length))
      if (this.#server !== 'open') return this.read()
      // A line may be longer than what the client takes at once.
      this.#makeRoom()
      await this.#more()
    }
  }

  /**
   * Everything that was not read yet, up to the end of the server's side.
   *
   * @throws Error `ECONNRESET`, when the connection was reset
   */
  async readAll(): Promise<Buffer> {
    const parts: Buffer[] = []
    for (let part = await this.read(); part !== null; part = await this.read()) parts.push(part)
    return Buffer.concat(parts)
  }

  /** @internal Leaves in good order whatever has not ended. */
  leave(): void {
    if (this.#own !== 'open') return
    this.#own = 'ended'
    this.#socket.arrive('end')
    this.#makeRoom()
  }

  #farEnd(): FarEnd {
    return {
      take: (bytes, onTaken) => {
        this.#input.push(bytes)
        this.#onRoom = onTaken
        if (this.#input.length < this.#maxUnreadBytes) this.#makeRoom()
        this.#wake?.()
      },
      secured: () => this.#securing?.resolve(),
      end: () => this.#close('ended'),
      close: (how) => this.#close(how === 'end' ? 'ended' : 'reset'),
    }
  }

  #send(arrival: Arrival): void {
    if (this.#own === 'ended') throw new Error('The client has ended its side')
    if (this.#own === 'reset') throw new Error('The client has reset the connection')
    this.#socket.arrive(arrival)
  }

  /** Resolves when nothing is on its way to the handler, and it has had a turn to react. */
  async #arrived(): Promise<void> {
    do await nextTurn()
    while (this.#socket.isReceiving)
  }

  /** The first end counts. */
  #close(how: 'ended' | 'reset'): void {
    if (this.#server === 'open') this.#server = how
    this.#securing?.reject(ended())
    this.#wake?.()
  }

  #end(): null {
    if (this.#server === 'reset') throw connectionReset('read')
    return null
  }

  #taken(bytes: Buffer): Buffer {
    if (this.#input.length < this.#maxUnreadBytes) this.#makeRoom()
    return bytes
  }

  #makeRoom(): void {
    const onRoom = this.#onRoom
    this.#onRoom = undefined
    onRoom?.()
  }

  #more(): Promise<void> {
    if (this.#wake !== undefined) throw new Error('Another read of this client is still waiting')
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined
        resolve()
      }
    })
  }
}
