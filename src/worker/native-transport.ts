import { Socket } from 'node:net'
import { plainAddress } from '../endpoint.ts'
import { HelloserverError } from '../errors.ts'
import type { Local, Remote } from '../ipc/socket-handle.ts'
import {
  type AddressOrErrno,
  type Consumer,
  consumerEvents,
  errnos,
  type NativeModule,
} from '../native/native.ts'
import { systemError } from '../system-error.ts'
import type { Lingerers } from './linger.ts'
import { type SocketOptions, SocketTransport } from './socket-transport.ts'
import type { Chunk, Receiver, Transport } from './transport.ts'

/** How often it reads before everything else in the process has its turn: a fast client could go on for ever. */
const readsInARow = 32

/** Chunks that are written together are copied together up to this length, in bytes. */
const mostJoinedBytes = 65_536

/** Data that the system has not taken yet. */
interface Unsent {
  readonly bytes: Uint8Array
  /** How long `bytes` was when it was written: the app may have transferred its memory since. */
  readonly length: number
  from: number
  readonly onSent: (error?: Error | null) => void
}

/** What all connections of a worker share. */
export interface NativeWay {
  readonly native: NativeModule
  readonly consumer: Consumer
  readonly options: SocketOptions
  /** Into this, bytes are read; it is used again for each read. */
  readonly arena: Buffer
  /** A connection was ended; `lingering` connections wait for their clients to end their sides. */
  readonly onConcluded: (lingering: number) => void
  /** Where a connection goes for its closing handshake if TLS has begun on it. */
  readonly lingerers: Pick<Lingerers, 'add'>
}

/**
 * A connection's bytes by way of the native module: as few system calls as can be. What was written is held back until
 * the handler has returned to the event loop, or has ended: then its last words and the end of this side are one packet.
 * Events are edge-triggered (epoll(7)), so each is followed by calls until one would block.
 */
export class NativeTransport implements Transport {
  readonly #native: NativeModule
  readonly #consumer: Consumer
  readonly #way: NativeWay
  readonly #path: string | undefined
  readonly #first: number
  #noDelay: boolean
  #receiver: Receiver | undefined
  #isOpen = true
  #isPaused = false
  #isWatched = false
  #hasSettled = false
  #isPushDue = false
  #hasInputEnded = false
  #unsent: Unsent[] = nothing
  #onEnded: ((error?: Error | null) => void) | undefined
  /** It begins over a socket of Node's: `forTls`. */
  readonly tls = undefined
  bytesRead = 0
  bytesWritten = 0

  /**
   * @param path - of the Unix socket that the connection was accepted on; undefined for TCP
   * @param first - the result of the read within the step that has taken the connection
   */
  constructor(way: NativeWay, path: string | undefined, first: number) {
    const { noDelay, keepAliveMs } = way.options
    this.#native = way.native
    this.#consumer = way.consumer
    this.#way = way
    this.#path = path
    this.#first = first
    // A Unix socket sends everything at once, and its system knows when a client is gone.
    this.#noDelay = noDelay && path === undefined
    if (keepAliveMs > 0 && path === undefined) this.setKeepAlive(true, keepAliveMs)
  }

  get remote(): Remote | undefined {
    return this.#addressBy((fd) => this.#native.peerOf(fd))
  }

  get local(): Local | undefined {
    return this.#addressBy((fd) => this.#native.localOf(fd))
  }

  open(receiver: Receiver): void {
    this.#receiver = receiver
    this.#received(this.#first)
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
    const unsent = pieces.map((bytes, at) => ({
      bytes,
      length: bytes.length,
      from: 0,
      onSent: at === last ? onSent : ignore,
    }))
    this.#unsent = this.#unsent.length === 0 ? unsent : [...this.#unsent, ...unsent]
    this.#send()
    if (this.#hasSettled) this.#pushSoon()
  }

  end(onEnded: (error?: Error | null) => void): void {
    this.#onEnded = onEnded
    this.#send()
  }

  setNoDelay(isOn: boolean): void {
    this.#noDelay = isOn
    if (this.#isOpen) this.#native.setNoDelay(this.#consumer, isOn)
  }

  /** @throws Error when an app has closed the connection's descriptor */
  forTls(): SocketTransport {
    const { options, lingerers } = this.#way
    const { bytesRead, bytesWritten } = this
    this.#native.push(this.#consumer, this.#noDelay)
    this.#isOpen = false
    const fd = this.#native.detach(this.#consumer)
    // The client may end its side and still wait for the answer (half-close).
    const socket = new Socket({ fd, readable: true, writable: true, allowHalfOpen: true })
    return new SocketTransport(socket, options, lingerers, this.#path, { bytesRead, bytesWritten })
  }

  setKeepAlive(isOn: boolean, afterMs: number): void {
    if (!this.#isOpen) return
    // Whole seconds, of which the system wants at least one.
    const seconds = isOn ? Math.min(32_767, Math.max(1, Math.trunc(afterMs / 1_000))) : 0
    this.#native.setKeepAlive(this.#consumer, seconds)
  }

  destroy(): void {
    this.#close(new Error('The connection is closed'))
  }

  conclude(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#way.onConcluded(this.#native.finish(this.#consumer, this.#way.options.lingerMs))
  }

  /** The handler has returned to the event loop, and the connection goes on: sends what is held back, and listens. */
  settle(): void {
    if (!this.#isOpen) return
    this.#hasSettled = true
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

  /** Sends what is held back, unless the handler ends before it returns to the event loop. */
  #pushSoon(): void {
    if (this.#isPushDue) return
    this.#isPushDue = true
    onceSettled(() => {
      this.#isPushDue = false
      if (this.#isOpen) this.#native.push(this.#consumer, this.#noDelay)
    })
  }

  /** Is told of each change from now on, beginning with how it is. */
  #watch(): void {
    if (this.#isWatched || !this.#isOpen) return
    this.#isWatched = true
    const result = this.#native.arm(this.#consumer)
    if (result < 0) this.#lose(systemError('epoll_ctl', result))
  }

  /** @param toEnd - whether the client may have ended its side: a short read is not the last one then */
  #read(toEnd: boolean): void {
    const { arena } = this.#way
    for (
      let left = readsInARow;
      this.#isOpen && !this.#isPaused && !this.#hasInputEnded;
      left -= 1
    ) {
      if (left === 0) {
        // It is not told again of what has arrived already.
        setImmediate(() => this.#read(toEnd))
        return
      }
      const count = this.#native.read(this.#consumer, arena)
      this.#received(count)
      if (count <= 0 || (count < arena.length && !toEnd)) return
    }
  }

  /** The result of a read, which is in the arena. */
  #received(count: number): void {
    if (count > 0) {
      this.bytesRead += count
      this.#receiver?.receive(copyOf(this.#way.arena, count))
    } else if (count === 0) {
      this.#hasInputEnded = true
      this.#receiver?.endInput()
    } else if (count !== errnos.again) this.#lose(systemError('read', count))
  }

  /** Sends what the system takes. */
  #send(): void {
    while (this.#isOpen) {
      const [next] = this.#unsent
      if (next === undefined) break
      if (next.bytes.length < next.length) {
        this.#lose(detached())
        return
      }
      const count = this.#native.send(this.#consumer, next.bytes, next.from)
      if (count === errnos.again) {
        this.#watch()
        return
      }
      if (count < 0) {
        this.#lose(systemError('write', count))
        return
      }
      next.from += count
      this.bytesWritten += count
      if (next.from < next.length) continue
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
    onEnded(result < 0 ? systemError('shutdown', result) : null)
  }

  #lose(cause: Error): void {
    this.#close(cause)
    this.#receiver?.lose(cause)
  }

  /** Closes at once; what was not sent never will be, for this reason. */
  #close(cause: Error): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#native.drop(this.#consumer)
    const unsent = this.#unsent
    this.#unsent = nothing
    for (const { onSent } of unsent) onSent(cause)
    this.#endIfSent()
  }

  #addressBy(ask: (fd: number) => AddressOrErrno): Remote | undefined {
    if (this.#path !== undefined) return { path: this.#path }
    const fd = this.#isOpen ? this.#native.descriptor(this.#consumer) : -1
    const address = fd < 0 ? fd : ask(fd)
    if (typeof address === 'number') return undefined
    return { address: plainAddress(address.address), port: address.port }
  }
}

/**
 * Calls `act` in a tick: these run after all that follows from what runs now without a wait; but not after what a tick
 * itself begins.
 */
export function onceSettled(act: () => void): void {
  queueMicrotask(() => process.nextTick(act))
}

const ignore = () => {}

/** The usual backlog of a connection; nothing is ever added to it. */
const nothing: Unsent[] = []

/** The first bytes of the arena, which is written again. */
function copyOf(arena: Buffer, bytes: number): Buffer {
  const copy = Buffer.allocUnsafe(bytes)
  arena.copy(copy, 0, 0, bytes)
  return copy
}

function detached(): HelloserverError {
  return new HelloserverError(
    'CONNECTION_ENDED',
    'The memory of a write was transferred or resized before it was sent; await the write first',
  )
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
