import type { NativeModule } from '../native/native.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Supply } from './accept-rest.ts'
import type { HandOffListener } from './hand-off.ts'
import { isFull, isShutDown, KernelQueue, type QueueEnds } from './kernel-queue.ts'
import type { Lifeline } from './lifeline.ts'
import { LinkedList } from './linked-list.ts'
import { NativeSocket } from './native-socket.ts'
import type { PendingConnection } from './pending-connection.ts'
import { SendFaults } from './send-faults.ts'
import type { TakingWorkers } from './taking-workers.ts'
import { writtenClient } from './written-address.ts'

/** How long after a failure the queue is tried again, in milliseconds. */
const againAfterMs = 20

/** The hand-off, as its feed sees it. */
export interface FeedOwner {
  /** Learns what the workers have done, for which it calls `claim`. */
  settle(): void
  /** A worker has taken this connection; learned at this moment, monotonic, in milliseconds. */
  onTaken(connection: PendingConnection, nowMs: number): void
  /** Workers take connections soon. */
  onSent(): void
  /** There is room again, and whoever waited for that was told. */
  onRoom(): void
  /** The queue has failed, and there is another one: the workers have the end of the one before. */
  onReplaced(): void
}

export interface FeedParts {
  readonly native: NativeModule
  readonly lifeline: Lifeline
  readonly workers: TakingWorkers
  readonly log: Logger
}

/**
 * Feeds the kernel's queue with connections, and knows which are still in it: those whose turn has not come, as the
 * kernel tells.
 */
export class Feed implements Supply {
  readonly #native: NativeModule
  readonly #queue: KernelQueue
  readonly #lifeline: Lifeline
  readonly #workers: TakingWorkers
  readonly #owner: FeedOwner
  readonly #faults: SendFaults
  /** Those that are staged or in the queue, in the order of their turns, as far as is known. */
  readonly #fed = new LinkedList<PendingConnection>()
  #dispatcher!: HandOffListener
  #isFull = false
  #isSendDue = false
  readonly #onTurnEnd = () => {
    this.#isSendDue = false
    this.#send()
  }
  #onScarce: (() => void) | undefined

  /** @throws Error when the system gives no descriptors for the queue */
  constructor({ native, lifeline, workers, log }: FeedParts, owner: FeedOwner) {
    this.#native = native
    this.#lifeline = lifeline
    this.#workers = workers
    this.#owner = owner
    this.#faults = new SendFaults(log)
    this.#queue = new KernelQueue(native, () => this.#onRoom(), lifeline.queue)
  }

  /** What it does not feed after all goes back to `dispatcher`. Must be called before anything else. */
  reportTo(dispatcher: HandOffListener): void {
    this.#dispatcher = dispatcher
  }

  /** Workers take from one end. */
  get ends(): QueueEnds {
    return this.#queue.ends
  }

  /** How many connections no worker has taken, as far as is known. */
  get length(): number {
    return this.#fed.length
  }

  /** How many of them are not in the queue yet. */
  get staged(): number {
    return this.#queue.staged.length
  }

  /** The one that has its turn next. */
  get first(): PendingConnection | undefined {
    return this.#fed.head
  }

  get hasRoom(): boolean {
    return !this.#isFull && this.#workers.size > 0
  }

  get isAmple(): boolean {
    if (this.#isFull) return true
    if (this.#fed.length <= this.#queue.scarce) return false
    this.#owner.settle()
    return this.#fed.length > this.#queue.scarce
  }

  awaitScarcity(onScarce: () => void): void {
    this.#onScarce = onScarce
    this.#queue.awaitRoom()
  }

  /** Takes charge of a queued connection; or puts it back, where the queue does not take it. */
  take(connection: PendingConnection): void {
    const owned = this.#queue.own(connection)
    if (owned < 0) {
      this.#dispatcher.putBack(connection)
      this.#mend(owned)
      return
    }
    this.#fed.append(connection)
    const isBatch = this.#queue.stage(connection)
    this.#enter(connection)
    if (isBatch) this.#send()
    else if (!this.#isSendDue) {
      this.#isSendDue = true
      // What comes in the same turn of the event loop goes together.
      queueMicrotask(this.#onTurnEnd)
    }
    if (this.#fed.length < this.#queue.room) return
    // Not the claims alone: who is idle must be known as well, or one too many could wait.
    this.#owner.settle()
    if (this.#fed.length >= this.#queue.room) this.#fill()
  }

  /** Sends what is staged, and tells the owner which connections workers have taken; returns whether there were any. */
  claim(): boolean {
    this.#send()
    const before = this.#fed.length
    if (before === 0) return false
    const { firstTurn } = this.#queue
    if (firstTurn !== undefined) this.#claimBefore(firstTurn)
    return this.#fed.length < before
  }

  /** Takes back the connections that no worker has taken, in their order. */
  recall(): PendingConnection[] {
    if (this.#fed.length === 0) return []
    this.#owner.settle()
    const recalled: PendingConnection[] = []
    for (;;) {
      const first = this.#queue.recall()
      if (first === undefined) break
      // Workers have taken those before it in the meantime.
      this.#claimBefore(first.turn)
      const { head } = this.#fed
      if (head === undefined) {
        this.#native.close(first.fd)
        break
      }
      this.#remove(head)
      head.handle = (head.handle as NativeSocket).again(first.fd)
      // One that a dead primary has read is in the queue alone.
      head.preface ??= first.preface
      recalled.push(head)
    }
    this.#claimBefore(Number.POSITIVE_INFINITY)
    return recalled
  }

  /** Goes on with what a dead primary had fed, in the order of the turns. */
  adopt(connections: readonly PendingConnection[]): void {
    for (const connection of connections) {
      this.#enter(connection)
      this.#fed.append(connection)
    }
    this.#queue.continueAfter(connections.at(-1)?.turn ?? 0)
  }

  /** Makes room for as many workers as there are. */
  resize(): void {
    this.#queue.resize(this.#workers.size)
  }

  /** Wakes workers once more for connections that none of them takes: one that was woken may have died, or be stopped. */
  nudge(): void {
    this.#workers.nudge(this.#fed.head?.turn ?? 0)
  }

  /** Wakes all workers if there is a connection for them. */
  wakeAll(): void {
    if (this.#fed.length > 0) this.#workers.wakeAll()
  }

  /** Whatever is in the queue is dropped. */
  close(): void {
    this.#queue.close()
  }

  #enter(connection: PendingConnection): void {
    const { client, handle } = connection
    const written = client === undefined ? (handle as NativeSocket).written : writtenClient(client)
    this.#lifeline.ledger.enter(connection, written)
  }

  #remove(connection: PendingConnection): void {
    this.#fed.remove(connection)
    this.#lifeline.ledger.remove(connection)
  }

  /** Sends what is staged. */
  #send(): void {
    const staged = this.#queue.staged.slice()
    if (staged.length === 0) return
    const result = this.#queue.send()
    const sent = Math.max(0, result)
    for (let left = sent; left > 0 && this.#workers.wakeOne(); left -= 1);
    if (sent > 0) this.#owner.onSent()
    if (sent === staged.length) return
    for (const connection of staged.slice(sent)) {
      this.#remove(connection)
      this.#dispatcher.putBack(connection)
    }
    if (result > 0 || isFull(result)) this.#fill()
    else this.#mend(result)
  }

  /** Takes no more until there is room. */
  #fill(): void {
    this.#isFull = true
    this.#queue.awaitRoom()
  }

  #onRoom(): void {
    this.#isFull = false
    this.#dispatcher.pump()
    const onScarce = this.#onScarce
    this.#onScarce = undefined
    onScarce?.()
    this.#owner.onRoom()
    if (!this.#isFull && this.#onScarce === undefined) this.#queue.ignoreRoom()
  }

  #claimBefore(turn: number): void {
    const nowMs = performance.now()
    for (;;) {
      const { head } = this.#fed
      if (head === undefined || head.turn >= turn) return
      this.#fed.remove(head)
      this.#owner.onTaken(head, nowMs)
    }
  }

  /** The queue has failed. One that an app has shut down is replaced. */
  #mend(errno: number): void {
    this.#isFull = true
    this.#faults.tell(errno)
    setTimeout(() => {
      this.#isFull = false
      this.#dispatcher.pump()
    }, againAfterMs).unref()
    if (!isShutDown(errno)) return
    for (const connection of this.recall()) this.#dispatcher.putBack(connection)
    this.#queue.replace()
    this.resize()
    this.#owner.onReplaced()
  }
}
