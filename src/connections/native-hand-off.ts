import type { EndRecord } from '../ipc/worker-page.ts'
import type { NativeModule } from '../native/native.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Supply } from './accept-rest.ts'
import type { Accounts } from './accounts.ts'
import type { EndEvent, HandOffListener, HandOffWorker, Loss, WorkerHandOff } from './hand-off.ts'
import { isFull, isShutDown, KernelQueue } from './kernel-queue.ts'
import { LinkedList } from './linked-list.ts'
import { NativeLink } from './native-link.ts'
import type { NativeSocket } from './native-socket.ts'
import { type PendingConnection, peerOf } from './pending-connection.ts'
import type { ConnectionQueue } from './queue.ts'
import { type Moment, momentNow, timeEnd, timeTaken } from './shared-time.ts'
import type { Stats } from './stats.ts'
import { tellLoss } from './tell-loss.ts'

/** How often the workers' pages are read while a connection is handed off, in milliseconds. */
const paceMs = 20

/** All pages are read before this many connections are fed: half as many as a page has records. */
const mostUnsettled = 128

/** How long nobody may have reported to have taken a connection that left the queue, in milliseconds. */
const unclaimedMs = 10_000

/** The end of a connection, as its worker has recorded it. */
interface Ended {
  readonly worker: HandOffWorker
  readonly connection: PendingConnection
  readonly record: EndRecord
}

/**
 * Feeds a short queue in the kernel, from which idle workers take one connection each. Nothing is offered to anybody:
 * a worker that dies has taken one connection or none, and all others are still in the queue.
 *
 * A connection that was fed is at first in `#fed`. It is in the kernel's queue as long as its turn has not come: the
 * kernel tells whose turn it is. Then a worker has taken it, and it is in `#taken` until that worker has recorded its
 * end in the page that both share, or has died. This is learned in `settle`, and no worker wakes this process.
 *
 * A worker's page is its app's, too, so nothing in it is trusted: a record counts only for a connection that has left
 * the queue, and with the secret that came with it.
 */
export class NativeHandOff implements WorkerHandOff, Supply {
  readonly kind = 'native'
  readonly #native: NativeModule
  readonly #queue: KernelQueue
  readonly #accounts: Accounts
  readonly #stats: Stats
  readonly #limits: Pick<ConnectionQueue, 'maxWaitMs'>
  readonly #log: Logger
  readonly #links = new Map<HandOffWorker, NativeLink>()
  /** The workers that take connections. */
  readonly #admitted = new Map<HandOffWorker, NativeLink>()
  readonly #fed = new LinkedList<PendingConnection>()
  readonly #taken = new Map<number, PendingConnection>()
  #dispatcher!: HandOffListener
  #unsettled = 0
  #isFull = false
  #isSendDue = false
  readonly #onTurnEnd = () => {
    this.#isSendDue = false
    this.#send()
  }
  #onScarce: (() => void) | undefined
  #pace: NodeJS.Timeout | undefined
  #isPacing = false
  #permitUntilMs = 0

  /** @throws Error when the system gives no descriptors for the queue */
  constructor(
    native: NativeModule,
    accounts: Accounts,
    stats: Stats,
    limits: Pick<ConnectionQueue, 'maxWaitMs'>,
    log: Logger,
  ) {
    this.#native = native
    this.#accounts = accounts
    this.#stats = stats
    this.#limits = limits
    this.#log = log
    this.#queue = new KernelQueue(native, () => this.#onRoom())
  }

  reportTo(dispatcher: HandOffListener): void {
    this.#dispatcher = dispatcher
  }

  get hasRoom(): boolean {
    return !this.#isFull && this.#admitted.size > 0
  }

  get hasIdle(): boolean {
    return this.#fed.length < this.#idle
  }

  get waiting(): number {
    return Math.max(0, this.#fed.length - this.#idle)
  }

  get oldestAcceptedAtMs(): number | undefined {
    return this.#fed.head?.acceptedAtMs
  }

  get isAmple(): boolean {
    if (this.#isFull) return true
    if (this.#fed.length <= this.#queue.scarce) return false
    this.settle()
    return this.#fed.length > this.#queue.scarce
  }

  awaitScarcity(onScarce: () => void): void {
    this.#onScarce = onScarce
    this.#queue.awaitRoom()
  }

  take(connection: PendingConnection): void {
    if (this.#unsettled >= mostUnsettled) this.settle()
    this.#unsettled += 1
    this.#fed.append(connection)
    if (this.#queue.stage(connection)) this.#send()
    else if (!this.#isSendDue) {
      this.#isSendDue = true
      // What comes in the same turn of the event loop goes together.
      queueMicrotask(this.#onTurnEnd)
    }
    if (this.#fed.length < this.#queue.room) return
    // Not the claims alone: who is idle must be known as well, or one too many could wait.
    this.settle()
    if (this.#fed.length >= this.#queue.room) this.#fill()
  }

  settle(): void {
    if (this.#fed.length === 0 && this.#taken.size === 0) return
    this.#unsettled = 0
    // Counted before the queue is looked at: what they are about has left the queue by then.
    const unread = [...this.#links].map(
      ([worker, link]) => [worker, link, link.page.unread] as const,
    )
    const hasTaken = this.#claim()
    const now = momentNow()
    const ended: Ended[] = []
    for (const [worker, link, count] of unread) this.#readEnds(worker, link, count, now, ended)
    for (const [worker, link] of this.#links) this.#seeCurrent(worker, link, now)
    // From here on others act, who may call this again.
    for (const one of ended) this.#end(one)
    if (hasTaken) this.#dispatcher.onTaken()
  }

  recall(): PendingConnection[] {
    if (this.#fed.length === 0) return []
    this.settle()
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
      this.#fed.remove(head)
      head.handle = (head.handle as NativeSocket).again(first.fd)
      recalled.push(head)
    }
    this.#claimBefore(Number.POSITIVE_INFINITY)
    return recalled
  }

  permit(untilMs: number): void {
    this.#permitUntilMs = untilMs
    for (const { page } of this.#links.values()) page.permit(untilMs)
    if (this.#fed.length > 0) this.#wakeAll()
  }

  link(worker: HandOffWorker): NativeLink {
    const link = new NativeLink(this.#native, this.#queue.taking)
    link.page.permit(this.#permitUntilMs)
    this.#links.set(worker, link)
    return link
  }

  addIdle(worker: HandOffWorker): void {
    const link = this.#links.get(worker)
    if (link !== undefined && !this.#admitted.has(worker)) {
      this.#admitted.set(worker, link)
      worker.admit()
      this.#queue.resize(this.#admitted.size)
    }
    this.#dispatcher.pump()
  }

  removeIdle(worker: HandOffWorker): void {
    if (this.#admitted.delete(worker)) this.#queue.resize(this.#admitted.size)
  }

  /** Workers report by their pages. */
  progress(): void {}

  lost(worker: HandOffWorker, _loss: Loss, cause: string): void {
    this.removeIdle(worker)
    this.#links.get(worker)?.close()
    this.#links.delete(worker)
    const connection = worker.inHand
    if (connection !== undefined) {
      this.#taken.delete(connection.id)
      worker.lose(false)
      tellLoss(this.#log, connection, worker, cause)
      this.#dispatcher.close(connection, 'fail', worker)
    }
    // It may have been woken for a connection, and have died before it took it.
    if (this.#fed.length > 0) this.#wakeAll()
  }

  /** Closes the queue; whatever is in it is dropped. */
  close(): void {
    clearTimeout(this.#pace)
    this.#queue.close()
  }

  /** Sends what is staged. */
  #send(): void {
    const staged = this.#queue.staged.slice()
    if (staged.length === 0) return
    const result = this.#queue.send()
    const sent = Math.max(0, result)
    for (let left = sent; left > 0 && this.#wakeOne(); left -= 1);
    if (sent > 0) this.#keepPace()
    if (sent === staged.length) return
    for (const connection of staged.slice(sent)) {
      this.#fed.remove(connection)
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
    if (!this.#isFull && this.#onScarce === undefined) this.#queue.ignoreRoom()
  }

  get #idle(): number {
    let idle = 0
    for (const worker of this.#admitted.keys()) if (worker.inHand === undefined) idle += 1
    return idle
  }

  /** Workers have taken all connections before the one whose turn it is; returns whether there were any. */
  #claim(): boolean {
    this.#send()
    const before = this.#fed.length
    if (before === 0) return false
    const { firstTurn } = this.#queue
    if (firstTurn !== undefined) this.#claimBefore(firstTurn)
    return this.#fed.length < before
  }

  #claimBefore(turn: number): void {
    const nowMs = performance.now()
    for (;;) {
      const { head } = this.#fed
      if (head === undefined || head.turn >= turn) return
      this.#fed.remove(head)
      this.#accounts.apply(head, 'claim')
      head.offeredAtMs = nowMs
      this.#taken.set(head.id, head)
    }
  }

  /** Adds the ends that a worker has recorded to `ended`. */
  #readEnds(
    worker: HandOffWorker,
    { page }: NativeLink,
    unread: number,
    now: Moment,
    ended: Ended[],
  ): void {
    for (let left = unread; left > 0; left -= 1) {
      const record = page.next()
      const connection = record === undefined ? undefined : this.#taken.get(record.id)
      if (record === undefined || connection === undefined || connection.nonce !== record.nonce) {
        page.skip()
        worker.distrust('it wrote invalid data into its page')
        return
      }
      this.#taken.delete(connection.id)
      timeEnd(connection, record, now)
      if (worker.inHand !== connection && worker.inHand !== undefined) this.#disown(worker)
      worker.release(record.step === 'served')
      ended.push({ worker, connection, record })
    }
  }

  /** A worker has gone on to another connection, and has not recorded the end of this one. */
  #disown(worker: HandOffWorker): void {
    worker.distrust('it did not record how a connection ended')
    worker.release(false)
  }

  #seeCurrent(worker: HandOffWorker, { page }: NativeLink, now: Moment): void {
    const { id, nonce, takenAtMs } = page.current
    const connection = this.#taken.get(id)
    if (connection === undefined || connection.nonce !== nonce || worker.inHand === connection)
      return
    // The worker has gone on since its records were counted: the next time, they are read before this.
    if (page.unread > 0) return
    if (worker.inHand !== undefined) this.#disown(worker)
    timeTaken(connection, takenAtMs, now)
    worker.took(connection)
  }

  #end({ worker, connection, record }: Ended): void {
    const { offeredAtMs, endedAtMs, acceptedAtMs, id } = connection
    const { step, reason } = record
    if (step === 'gone') {
      this.#dispatcher.close(connection, 'leave', worker, record)
      return
    }
    this.#stats.handled(offeredAtMs - acceptedAtMs, endedAtMs - offeredAtMs)
    if (step === 'failed') this.#log.debug({ connection: id, reason }, 'Connection failed')
    const event: EndEvent = step === 'served' ? 'serve' : 'fail'
    this.#dispatcher.close(connection, event, worker, record)
  }

  /**
   * Wakes a worker that waits and was not woken since it began to; returns whether there was one. Always the first of
   * them, so that a few workers with warm caches share a light load, and the others sleep.
   */
  #wakeOne(): boolean {
    for (const link of this.#admitted.values()) if (link.wake()) return true
    return false
  }

  #wakeAll(): void {
    for (const link of this.#admitted.values()) link.wakeAgain()
  }

  #keepPace(): void {
    if (this.#isPacing) return
    this.#isPacing = true
    if (this.#pace === undefined) this.#pace = setTimeout(() => this.#beat(), paceMs)
    else this.#pace.refresh()
  }

  #beat(): void {
    this.#isPacing = false
    this.settle()
    this.#expire()
    this.#giveUp()
    // A worker that was woken may have died, or be stopped.
    if (this.#fed.length > 0) this.#wakeAll()
    if (this.#fed.length > 0 || this.#taken.size > 0) this.#keepPace()
  }

  #expire(): void {
    const dueMs = performance.now() - this.#limits.maxWaitMs
    if ((this.oldestAcceptedAtMs ?? Number.POSITIVE_INFINITY) > dueMs) return
    for (const connection of this.recall()) {
      if (connection.acceptedAtMs <= dueMs) this.#dispatcher.expire(connection)
      else this.#dispatcher.putBack(connection)
    }
    this.#dispatcher.pump()
  }

  /** An app can take a connection out of the queue itself; its worker does not know of it then. */
  #giveUp(): void {
    const dueMs = performance.now() - unclaimedMs
    const inHand = new Set([...this.#links.keys()].map((worker) => worker.inHand))
    for (const connection of this.#taken.values()) {
      if (connection.offeredAtMs > dueMs || inHand.has(connection)) continue
      this.#taken.delete(connection.id)
      this.#log.warn({ peer: peerOf(connection) }, 'Gave up a connection: no worker reports on it')
      this.#dispatcher.close(connection, 'fail')
    }
  }

  /** The queue has failed. One that an app has shut down is replaced, and the workers with it, since they have its end. */
  #mend(errno: number): void {
    this.#isFull = true
    this.#log.error({ errno }, 'Cannot hand off a connection; trying again')
    setTimeout(() => {
      this.#isFull = false
      this.#dispatcher.pump()
    }, paceMs).unref()
    if (!isShutDown(errno)) return
    for (const connection of this.recall()) this.#dispatcher.putBack(connection)
    clearTimeout(this.#pace)
    this.#pace = undefined
    this.#isPacing = false
    this.#queue.replace()
    this.#queue.resize(this.#admitted.size)
    for (const worker of this.#links.keys()) worker.distrust('an app has shut down the queue')
  }
}
