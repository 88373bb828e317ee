import { randomFillSync } from 'node:crypto'
import { readAheadBytes } from '../ipc/read-ahead.ts'
import {
  errnos,
  mostOffered,
  type NativeModule,
  takeCodes,
  ticketBytes,
  type Watch,
  watched,
} from '../native/native.ts'
import { maxHeaderBytes } from '../proxy-protocol/proxy-header.ts'
import { NativeSocket } from './native-socket.ts'
import type { PendingConnection } from './pending-connection.ts'

/** The memory that a message takes in the queue (socket(7), SO_SNDBUF), as the kernel counts it. */
const messageBytes = 768
/** The least and the most connections that the queue has room for; in between, two for each worker. */
const roomLimits = { least: 32, most: 100 }

/** The part of the room up to which the kernel calls it free again (`unix_writable`). */
const scarcePart = 1 / 4

/** The longest preface: a header, and what was read with the last of it. */
const mostPrefaceBytes = maxHeaderBytes + readAheadBytes

/** How many nonces are drawn at a time. */
const nonceBatch = 256

/** The primary's end and the workers' end of a queue. */
export interface QueueEnds {
  readonly feeding: number
  readonly taking: number
}

interface Ends extends QueueEnds {
  readonly watch: Watch
}

/** A connection that was taken back, as far as the queue knows it. */
export interface Recalled {
  readonly turn: number
  readonly fd: number
  readonly preface: Buffer | undefined
}

/**
 * A short queue of connections in the kernel: a pair of sockets that keeps messages apart (unix(7), SOCK_SEQPACKET),
 * each with one connection's descriptor, its ticket and, behind a proxy, its preface. Turns are numbered, so the first
 * turn that is in the queue tells which connections have left it.
 */
export class KernelQueue {
  readonly #native: NativeModule
  readonly #onRoom: () => void
  /** A message that was received, or its ticket. */
  readonly #received = Buffer.alloc(ticketBytes + mostPrefaceBytes)
  /** Connections that are to be sent together, with their sockets and messages. */
  readonly #staged: PendingConnection[] = []
  readonly #sockets = new Int32Array(mostOffered)
  readonly #messages = Buffer.alloc(mostOffered * ticketBytes + mostPrefaceBytes)
  readonly #fields = new DataView(this.#messages.buffer)
  readonly #lengths = new Int32Array(mostOffered)
  #stagedBytes = 0
  readonly #nonces = new Uint32Array(nonceBatch)
  #ends: Ends
  #room: number = roomLimits.least
  #isRoomAwaited = false
  #turn = 0
  #hasNonces = false

  /**
   * @param onRoom - called when no more than `scarce` connections are left, after `awaitRoom`, again and again
   * @param given - the ends of a queue that another process has opened
   * @throws Error when the system gives no descriptors
   */
  constructor(native: NativeModule, onRoom: () => void, given?: QueueEnds) {
    this.#native = native
    this.#onRoom = onRoom
    this.#ends = given === undefined ? this.#open() : this.#watched(given)
  }

  /** How many connections it has room for, as far as we know how the kernel counts. */
  get room(): number {
    return this.#room
  }

  /** There is room again when no more connections than these are left. */
  get scarce(): number {
    return this.#room * scarcePart
  }

  /** Workers take from one, this process sends to the other. */
  get ends(): QueueEnds {
    return this.#ends
  }

  /** Another process has drawn turns up to this one. */
  continueAfter(turn: number): void {
    this.#turn = Math.max(this.#turn, turn)
  }

  /** The connections that are staged and not sent, in their order. */
  get staged(): readonly PendingConnection[] {
    return this.#staged
  }

  /** Makes a connection's socket ours, not Node's: 0, or -errno when the system gives no descriptor for that. */
  own(connection: PendingConnection): number {
    const { handle } = connection
    if (handle instanceof NativeSocket) return 0
    const socket = NativeSocket.from(this.#native, handle)
    if (typeof socket === 'number') return socket
    connection.handle = socket
    return 0
  }

  /**
   * Draws the next turn for a connection that is to be sent, whose socket is ours; returns whether as many are staged as
   * can be.
   */
  stage(connection: PendingConnection): boolean {
    const at = this.#staged.length
    this.#sockets[at] = (connection.handle as NativeSocket).fd
    this.#draw(connection, this.#stagedBytes)
    const { preface } = connection
    preface?.copy(this.#messages, this.#stagedBytes + ticketBytes)
    const length = ticketBytes + (preface?.length ?? 0)
    this.#lengths[at] = length
    this.#stagedBytes += length
    this.#staged.push(connection)
    const roomLeft = this.#messages.length - this.#stagedBytes
    return at + 1 === mostOffered || roomLeft < ticketBytes + mostPrefaceBytes
  }

  /**
   * Sends what is staged: how many connections, whose sockets are closed here then; -errno when there was none:
   * -EAGAIN when the queue has no room. Nothing is staged any more.
   */
  send(): number {
    const staged = this.#staged
    const sent = this.#native.offer(
      this.#ends.feeding,
      this.#sockets,
      this.#messages,
      this.#lengths,
      staged.length,
    )
    for (const { handle } of staged.slice(0, Math.max(0, sent))) (handle as NativeSocket).forget()
    staged.length = 0
    this.#stagedBytes = 0
    return sent
  }

  /** The turn of the first connection in the queue; infinite when it is empty, undefined when nobody can tell. */
  get firstTurn(): number | undefined {
    const found = this.#native.peek(this.#ends.taking, this.#received)
    if (found === 0) return this.#receivedTurn
    return found === takeCodes.nobody ? Number.POSITIVE_INFINITY : undefined
  }

  /** Takes the first connection out of the queue; undefined when it is empty. */
  recall(): Recalled | undefined {
    const message = this.#native.receive(this.#ends.taking, this.#received, false)
    if (typeof message === 'number') return undefined
    const { bytes, fds } = message
    const [fd] = fds
    if (bytes < ticketBytes || fd === undefined || fds.length > 1) {
      // The queue is an app's, too.
      for (const each of fds) this.#native.close(each)
      return undefined
    }
    const preface =
      bytes === ticketBytes ? undefined : Buffer.from(this.#received.subarray(ticketBytes, bytes))
    return { turn: this.#receivedTurn, fd, preface }
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
    return this.#watched({ feeding, taking })
  }

  #watched({ feeding, taking }: QueueEnds): Ends {
    const watch = this.#native.watch(feeding, () => this.#onRoom())
    if (typeof watch === 'number') throw new Error(`Cannot watch the queue: ${watch}`)
    return { feeding, taking, watch }
  }

  /** Writes the connection's ticket to `offset` in the messages that are staged. */
  #draw(connection: PendingConnection, offset: number): void {
    const fields = this.#fields
    this.#turn += 1
    const at = this.#turn % nonceBatch
    if (at === 0 || !this.#hasNonces) randomFillSync(this.#nonces)
    this.#hasNonces = true
    connection.turn = this.#turn
    connection.nonce = this.#nonces[at] ?? 0
    fields.setFloat64(offset, connection.turn, true)
    fields.setFloat64(offset + 8, connection.id, true)
    fields.setUint32(offset + 16, connection.nonce, true)
    fields.setUint32(offset + 20, connection.endpoint.number, true)
  }

  get #receivedTurn(): number {
    return this.#received.readDoubleLE(0)
  }
}

/** What to ask of the kernel for so many connections: it doubles it. */
const roomBytes = (connections: number) => (connections * messageBytes) / 2

/** Whether a queue only lacks room. */
export const isFull = (result: number) => result === errnos.again

/** Whether an app has shut the queue down, for everybody. */
export const isShutDown = (result: number) => result === errnos.brokenPipe

/** Whether the descriptors on their way, in all processes of the user, are more than this one may have open. */
export const isUserLimited = (result: number) => result === errnos.tooManyRefs
