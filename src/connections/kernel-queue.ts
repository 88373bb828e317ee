import { randomFillSync } from 'node:crypto'
import {
  errnos,
  type NativeModule,
  takeCodes,
  ticketBytes,
  type Watch,
  watched,
} from '../native/native.ts'
import { NativeSocket } from './native-socket.ts'
import type { PendingConnection } from './pending-connection.ts'

/** The memory that a message takes in the queue (socket(7), SO_SNDBUF), as the kernel counts it. */
const messageBytes = 768
/** The least and the most connections that the queue has room for; in between, two for each worker. */
const roomLimits = { least: 8, most: 100 }

/** How many nonces are drawn at a time. */
const nonceBatch = 256

/** The primary's end, the workers' end, and the watch on the former. */
interface Ends {
  readonly feeding: number
  readonly taking: number
  readonly watch: Watch
}

/** A connection that was taken back, as far as the queue knows it. */
export interface Recalled {
  readonly turn: number
  readonly fd: number
}

/**
 * A short queue of connections in the kernel: a pair of sockets that keeps messages apart (unix(7), SOCK_SEQPACKET),
 * each with one connection's descriptor and its ticket. Turns are numbered, so the first turn that is in the queue
 * tells which connections have left it.
 */
export class KernelQueue {
  readonly #native: NativeModule
  readonly #onRoom: () => void
  readonly #ticket = new Uint8Array(ticketBytes)
  readonly #fields = new DataView(this.#ticket.buffer)
  readonly #nonces = new Uint32Array(nonceBatch)
  #ends: Ends
  #turn = 0

  /**
   * @param onRoom - called when there is room again, after `awaitRoom`, until there is none
   * @throws Error when the system gives no descriptors
   */
  constructor(native: NativeModule, onRoom: () => void) {
    this.#native = native
    this.#onRoom = onRoom
    this.#ends = this.#open()
  }

  /** The end from which workers take. */
  get taking(): number {
    return this.#ends.taking
  }

  /** Draws the next turn for a connection and sends it; 0, or -errno: -EAGAIN when the queue has no room. */
  offer(connection: PendingConnection): number {
    const socket = this.#socketOf(connection)
    this.#draw(connection)
    return this.#native.offer(this.#ends.feeding, socket, this.#ticket)
  }

  /** The turn of the first connection in the queue; infinite when it is empty, undefined when nobody can tell. */
  get firstTurn(): number | undefined {
    const found = this.#native.peek(this.#ends.taking, this.#ticket)
    if (found === 0) return this.#ticketTurn
    return found === takeCodes.nobody ? Number.POSITIVE_INFINITY : undefined
  }

  /** Takes the first connection out of the queue; undefined when it is empty. */
  recall(): Recalled | undefined {
    const fd = this.#native.recall(this.#ends.taking, this.#ticket)
    return fd < 0 ? undefined : { turn: this.#ticketTurn, fd }
  }

  /** Makes room for what so many workers need. */
  resize(workers: number): void {
    const { least, most } = roomLimits
    this.#native.setQueueRoom(
      this.#ends.feeding,
      roomBytes(Math.min(most, Math.max(least, 2 * workers))),
    )
  }

  /** Has `onRoom` called once there is room. */
  awaitRoom(): void {
    this.#native.setEvents(this.#ends.watch, watched.writable)
  }

  /** No more calls of `onRoom`. */
  ignoreRoom(): void {
    this.#native.setEvents(this.#ends.watch, 0)
  }

  /** Replaces a queue that has failed by an empty one; whatever is in it must have been recalled. */
  replace(): void {
    this.close()
    this.#ends = this.#open()
  }

  /** Whatever is in the queue is dropped. */
  close(): void {
    const { feeding, taking, watch } = this.#ends
    this.#native.unwatch(watch)
    this.#native.close(feeding)
    this.#native.close(taking)
  }

  #open(): Ends {
    const queue = this.#native.openQueue(roomBytes(roomLimits.least))
    if (typeof queue === 'number') throw new Error(`Cannot open a queue: socketpair ${queue}`)
    const [feeding, taking] = queue
    const watch = this.#native.watch(feeding, () => this.#onRoom())
    if (typeof watch === 'number') throw new Error(`Cannot watch the queue: ${watch}`)
    return { feeding, taking, watch }
  }

  /** The descriptor of its socket, which is ours from now on, not Node's. */
  #socketOf(connection: PendingConnection): number {
    const { handle } = connection
    const socket = handle instanceof NativeSocket ? handle : NativeSocket.from(this.#native, handle)
    connection.handle = socket
    return socket.fd
  }

  /** Writes the connection's ticket. */
  #draw(connection: PendingConnection): void {
    this.#turn += 1
    const at = this.#turn % nonceBatch
    if (at === 0 || this.#turn === 1) randomFillSync(this.#nonces)
    connection.turn = this.#turn
    connection.nonce = this.#nonces[at] ?? 0
    this.#fields.setFloat64(0, connection.turn, true)
    this.#fields.setFloat64(8, connection.id, true)
    this.#fields.setUint32(16, connection.nonce, true)
    this.#fields.setUint32(20, connection.endpoint.number, true)
  }

  get #ticketTurn(): number {
    return this.#fields.getFloat64(0, true)
  }
}

/** What to ask of the kernel for so many connections: it doubles it. */
const roomBytes = (connections: number) => (connections * messageBytes) / 2

/** Whether a queue only lacks room. */
export const isFull = (result: number) => result === errnos.again

/** Whether an app has shut the queue down, for everybody. */
export const isShutDown = (result: number) => result === errnos.brokenPipe
