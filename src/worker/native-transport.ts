import { getSystemErrorName } from 'node:util'
import { plainAddress } from '../endpoint.ts'
import type { Local, Remote } from '../ipc/socket-handle.ts'
import {
  type AddressOrErrno,
  errnos,
  type NativeModule,
  type Consumer,
  consumerEvents,
} from '../native/native.ts'
import type { SocketOptions } from './socket-transport.ts'
import type { Chunk, Receiver, Transport } from './transport.ts'

/** Chunks that are written together are copied together up to this length, in bytes. */
const mostJoinedBytes = 65_536

/** Data that the system has not taken yet. */
interface Unsent {
  readonly bytes: Uint8Array
  from: number
  readonly onSent: (error?: Error | null) => void
}

export interface NativeTransportOptions extends SocketOptions {
  /** Of the Unix socket that the connection was accepted on; undefined for TCP. */
  readonly path?: string | undefined
  /** Into this, bytes are read; it is used again for each read. */
  readonly arena: Buffer
  /** The result of the read within the step that has taken the connection. */
  readonly first: number
  /** This side was ended; `lingering` connections wait for their clients to do so. */
  readonly onConcluded: (lingering: number) => void
}

/**
 * A connection's bytes by way of the native module: as few system calls as can be. What was written is held back until
 * the handler has returned to the event loop, or has ended: then the answer and the end of this side are one packet.
 * Events are edge-triggered (epoll(7)), so each is followed by calls until one would block.
 */
export class NativeTransport implements Transport {
  readonly #native: NativeModule
  readonly #consumer: Consumer
  readonly #options: NativeTransportOptions
  #noDelay: boolean
  #receiver: Receiver | undefined
  #isOpen = true
  #isPaused = false
  #isWatched = false
  #hasInputEnded = false
  #unsent: Unsent[] = []
  #onEnded: ((error?: Error | null) => void) | undefined
  /** Endpoints with TLS take the portable way: `chooseHandOff`. */
  readonly tls = undefined
  bytesRead = 0
  bytesWritten = 0

  constructor(native: NativeModule, consumer: Consumer, options: NativeTransportOptions) {
    this.#native = native
    this.#consumer = consumer
    this.#options = options
    const { path, noDelay, keepAliveMs } = options
    // A Unix socket sends everything at once, and its system knows when a client is gone.
    this.#noDelay = noDelay && path === undefined
    if (keepAliveMs > 0 && path === undefined) this.setKeepAlive(true, options.keepAliveMs)
  }

  get remote(): Remote | undefined {
    return this.#addressBy((fd) => this.#native.peerOf(fd))
  }

  get local(): Local | undefined {
    return this.#addressBy((fd) => this.#native.localOf(fd))
  }

  open(receiver: Receiver): void {
    this.#receiver = receiver
    this.#received(this.#options.first)
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    if (this.#isPaused) {
      this.#isPaused = false
      this.#read(true)
    }
    this.#watch()
  }

  write(chunks: readonly Chunk[], onSent: (error?: Error | null) => void): void {
    const pieces = piecesOf(chunks)
    const last = pieces.length - 1
    for (const [at, bytes] of pieces.entries()) {
      this.#unsent.push({ bytes, from: 0, onSent: at === last ? onSent : ignore })
    }
    this.#send()
  }

  end(onEnded: (error?: Error | null) => void): void {
    this.#onEnded = onEnded
    this.#send()
  }

  setNoDelay(isOn: boolean): void {
    this.#noDelay = isOn
    if (this.#isOpen) this.#native.setNoDelay(this.#consumer, isOn)
  }

  secure(): Promise<Transport> {
    throw new Error('The native hand-off has no TLS')
  }

  setKeepAlive(isOn: boolean, afterMs: number): void {
    if (!this.#isOpen) return
    // Whole seconds, of which the system wants at least one.
    const seconds = isOn ? Math.min(32_767, Math.max(1, Math.trunc(afterMs / 1_000))) : 0
    this.#native.setKeepAlive(this.#consumer, seconds)
  }

  destroy(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#native.drop(this.#consumer)
    this.#abandon(new Error('The connection is closed'))
  }

  conclude(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#options.onConcluded(this.#native.finish(this.#consumer, this.#options.lingerMs))
  }

  /** The handler has returned to the event loop, and the connection goes on: sends what is held back, and listens. */
  settle(): void {
    if (!this.#isOpen) return
    this.#native.push(this.#consumer, this.#noDelay)
    this.#watch()
  }

  /** The connection is ready, for some of `consumerEvents`. */
  onEvents(events: number): void {
    if (events & consumerEvents.writable && this.#unsent.length > 0) {
      this.#send()
      if (this.#isOpen && this.#unsent.length === 0)
        this.#native.push(this.#consumer, this.#noDelay)
    }
    if (events & consumerEvents.readable && !this.#isPaused) {
      this.#read((events & consumerEvents.hangup) !== 0)
    }
  }

  /** Is told of each change from now on, beginning with how it is. */
  #watch(): void {
    if (this.#isWatched || !this.#isOpen) return
    this.#isWatched = true
    const result = this.#native.arm(this.#consumer)
    if (result < 0) this.#lose('epoll_ctl', result)
  }

  /** @param toEnd - whether the client may have ended its side: a short read is not the last one then */
  #read(toEnd: boolean): void {
    const { arena } = this.#options
    while (this.#isOpen && !this.#isPaused && !this.#hasInputEnded) {
      const count = this.#native.read(this.#consumer, arena)
      this.#received(count)
      if (count <= 0 || (count < arena.length && !toEnd)) return
    }
  }

  /** The result of a read, which is in the arena. */
  #received(count: number): void {
    if (count > 0) {
      this.bytesRead += count
      this.#receiver?.receive(Buffer.from(this.#options.arena.subarray(0, count)))
    } else if (count === 0) {
      this.#hasInputEnded = true
      this.#receiver?.endInput()
    } else if (count !== errnos.again) this.#lose('read', count)
  }

  /** Sends what the system takes. */
  #send(): void {
    while (this.#isOpen) {
      const [next] = this.#unsent
      if (next === undefined) break
      const count = this.#native.send(this.#consumer, next.bytes, next.from)
      if (count === errnos.again) {
        this.#watch()
        return
      }
      if (count < 0) {
        this.#lose('write', count)
        return
      }
      next.from += count
      this.bytesWritten += count
      if (next.from < next.bytes.length) continue
      this.#unsent.shift()
      next.onSent()
    }
    this.#endIfSent()
  }

  #endIfSent(): void {
    const onEnded = this.#onEnded
    if (onEnded === undefined || this.#unsent.length > 0) return
    this.#onEnded = undefined
    const result = this.#isOpen ? this.#native.shutdown(this.#consumer) : errnos.notConnected
    onEnded(result < 0 ? failure('shutdown', result) : null)
  }

  #lose(call: string, errno: number): void {
    const cause = failure(call, errno)
    this.destroy()
    this.#receiver?.lose(cause)
  }

  #abandon(cause: Error): void {
    const unsent = this.#unsent
    this.#unsent = []
    for (const { onSent } of unsent) onSent(cause)
    this.#endIfSent()
  }

  #addressBy(ask: (fd: number) => AddressOrErrno): Remote | undefined {
    const { path } = this.#options
    if (path !== undefined) return { path }
    const fd = this.#isOpen ? this.#native.descriptor(this.#consumer) : -1
    const address = fd < 0 ? fd : ask(fd)
    if (typeof address === 'number') return undefined
    return { address: plainAddress(address.address), port: address.port }
  }
}

const ignore = () => {}

function failure(call: string, errno: number): Error {
  const code = getSystemErrorName(errno)
  return Object.assign(new Error(`${call} ${code}`), { code, syscall: call, errno })
}

function piecesOf(chunks: readonly Chunk[]): readonly Uint8Array[] {
  const [only] = chunks
  if (chunks.length === 1 && only !== undefined) return [bytesOf(only)]
  const pieces = chunks.map(bytesOf)
  const total = pieces.reduce((sum, { length }) => sum + length, 0)
  return total <= mostJoinedBytes ? [Buffer.concat(pieces, total)] : pieces
}

function bytesOf(chunk: Chunk): Uint8Array {
  return typeof chunk === 'string' ? Buffer.from(chunk) : chunk
}
