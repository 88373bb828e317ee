import { randomFillSync } from 'node:crypto'
import {
  errnos,
  mostOffered,
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
const roomLimits = { least: 32, most: 100 }

/** The part of the room up to which the kernel calls it free again (`unix_writable`). */
const scarcePart = 1 / 4

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
  /** Connections that are to be sent together, with their sockets and tickets. */
  readonly #staged: PendingConnection[] = []
  readonly #sockets = new Int32Array(mostOffered)
  readonly #tickets = new Uint8Array(mostOffered * ticketBytes)
  readonly #ticketFields = new DataView(this.#tickets.buffer)
  readonly #nonces = new Uint32Array(nonceBatch)
  #ends: Ends
  #room: number = roomLimits.least
  #isRoomAwaited = false
  #turn = 0

  /**
   * @param onRoom - called when no more than `scarce` connections are left, after `awaitRoom`, again and again
   * @throws Error when the system gives no descriptors
   */
  constructor(native: NativeModule, onRoom: () => void) {
    this.#native = native
    this.#onRoom = onRoom
    this.#ends = this.#open()
  }

  /** How many connections it has room for, as far as we know how the kernel counts. */
  get room(): number {
    return this.#room
  }

  /** There is room again when no more connections than these are left. */
  get scarce(): number {
    return this.#room * scarcePart
  }

  /** The end from which workers take. */
  get taking(): number {
    return this.#ends.taking
  }

  /** The connections that are staged and not sent, in their order. */
  get staged(): readonly PendingConnection[] {
    return this.#staged
  }

  /** Draws the next turn for a connection that is to be sent; returns whether as many are staged as can be. */
  stage(connection: PendingConnection): boolean {
    const at = this.#staged.length
    this.#sockets[at] = this.#socketOf(connection)
    this.#draw(connection, at * ticketBytes)
    this.#staged.push(connection)
    return at + 1 === mostOffered
  }

  /**
   * Sends what is staged: how many connections, whose sockets are closed here then; -errno when there was none:
   * -EAGAIN when the queue has no room. Nothing is staged any more.
   */
  send(): number {
    const staged = this.#staged
    const sent = this.#native.offer(this.#ends.feeding, this.#sockets, this.#tickets, staged.length)
    for (const { handle } of staged.slice(0, Math.max(0, sent))) (handle as NativeSocket).forget()
    staged.length = 0
    return sent
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
    this.#room = Math.min(most, Math.max(least, 2 * workers))
    this.#native.setQueueRoom(this.#ends.feeding, roomBytes(this.#room))
  }

  /** Has `onRoom` called once there is room. */
  awaitRoom(): void {
    if (this.#isRoomAwaited) return
    this.#isRoomAwaited = true
    this.#native.setEvents(this.#ends.watch, watched.writable)
  }

  /** No more calls of `onRoom`. */
  ignoreRoom(): void {
    if (!this.#isRoomAwaited) return
    this.#isRoomAwaited = false
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
    this.#isRoomAwaited = false
    this.#native.unwatch(watch)
    this.#native.close(feeding)
    this.#native.close(taking)
  }

  #open(): Ends {
    const queue = this.#native.openQueue(roomBytes(this.#room))
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

  /** Writes the connection's ticket to `offset` in the tickets that are staged. */
  #draw(connection: PendingConnection, offset: number): void {
    const fields = this.#ticketFields
    this.#turn += 1
    const at = this.#turn % nonceBatch
    if (at === 0 || this.#turn === 1) randomFillSync(this.#nonces)
    connection.turn = this.#turn
    connection.nonce = this.#nonces[at] ?? 0
    fields.setFloat64(offset, connection.turn, true)
    fields.setFloat64(offset + 8, connection.id, true)
    fields.setUint32(offset + 16, connection.nonce, true)
    fields.setUint32(offset + 20, connection.endpoint.number, true)
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
