import type { EndRecord, PageReader } from '../ipc/worker-page.ts'
import type { NativeModule } from '../native/native.ts'
import type { Logger } from '../telemetry/logger.ts'
import { AcceptRest, type Supply } from './accept-rest.ts'
import { AcceptedByWorkers } from './accepted-by-workers.ts'
import type { Accounts } from './accounts.ts'
import type { EndpointTable } from './endpoint-table.ts'
import { Gate, type GateOwner } from './gate.ts'
import type { KeptGrants } from './grants.ts'
import type { EndEvent, HandOffListener, HandOffWorker, Loss, WorkerHandOff } from './hand-off.ts'
import { isFull, isShutDown, KernelQueue, type QueueEnds } from './kernel-queue.ts'
import type { Lifeline } from './lifeline.ts'
import { LinkedList } from './linked-list.ts'
import { NativeLink } from './native-link.ts'
import { NativeSocket } from './native-socket.ts'
import { Pace } from './pace.ts'
import { type PendingConnection, peerOf } from './pending-connection.ts'
import type { QueueLimits } from './queue.ts'
import { QueueFaults } from './queue-faults.ts'
import type { Stats } from './stats.ts'
import { TakenConnections } from './taken-connections.ts'
import { TakingWorkers } from './taking-workers.ts'
import { tellLoss } from './tell-loss.ts'
import { type Ended, WorkerReports } from './worker-reports.ts'
import { writtenClient } from './written-address.ts'

/** How often the workers' pages are read while a connection is handed off, in milliseconds. */
const paceMs = 20

/** All pages are read before this many connections are fed: half as many as a page has records. */
const mostUnsettled = 128

export interface NativeHandOffParts {
  readonly native: NativeModule
  readonly accounts: Accounts
  readonly stats: Pick<Stats, 'handled'>
  readonly limits: QueueLimits
  /** Where connections come from. */
  readonly endpoints: EndpointTable
  readonly lifeline: Lifeline
  readonly log: Logger
}

/**
 * Feeds a short queue in the kernel, from which idle workers take one connection each. Nothing is offered to anybody:
 * a worker that dies has taken one connection or none, and all others are still in the queue.
 *
 * A connection that was fed is at first in `#fed`. It is in the kernel's queue as long as its turn has not come: the
 * kernel tells whose turn it is. Then a worker has taken it, and it is in `#taken` until that worker has recorded its
 * end in the page that both share, or has died. This is learned in `settle`, and no worker wakes this process.
 *
 * While the gate is open, workers accept by themselves, and the queue is empty. This process learns of those connections
 * in `settle` as well, where they are admitted as connections that are taken.
 */
export class NativeHandOff implements WorkerHandOff, Supply, GateOwner {
  readonly kind = 'native'
  /** When connections are accepted. */
  readonly rest = new AcceptRest(this)
  /** Opens for workers that may accept by themselves. */
  readonly gate: Gate
  readonly #native: NativeModule
  readonly #queue: KernelQueue
  readonly limits: QueueLimits
  readonly #parts: NativeHandOffParts
  readonly #accounts: Accounts
  readonly #log: Logger
  readonly #lifeline: Lifeline
  readonly #taken = new TakenConnections()
  readonly #reports: WorkerReports
  readonly #admitted = new TakingWorkers()
  readonly #faults: QueueFaults
  readonly #fed = new LinkedList<PendingConnection>()
  #dispatcher!: HandOffListener
  #accepted!: AcceptedByWorkers
  #unsettled = 0
  #isFull = false
  #isSendDue = false
  readonly #onTurnEnd = () => {
    this.#isSendDue = false
    this.#send()
  }
  #onScarce: (() => void) | undefined
  readonly #pace = new Pace(paceMs, () => this.#beat())
  #permitUntilMs = 0

  /** @throws Error when the system gives no descriptors for the queue */
  constructor(parts: NativeHandOffParts) {
    const { native, lifeline, log } = parts
    this.#parts = parts
    this.#native = native
    this.#lifeline = lifeline
    this.#accounts = parts.accounts
    this.#log = log
    this.limits = parts.limits
    this.#faults = new QueueFaults(log)
    this.gate = new Gate(native, this.rest, this)
    this.#reports = new WorkerReports(this.#taken, (...told) => this.#admit(...told))
    this.#queue = new KernelQueue(native, () => this.#onRoom(), lifeline.queue)
  }

  reportTo(dispatcher: HandOffListener): void {
    this.#dispatcher = dispatcher
    const { ledger } = this.#lifeline
    this.#accepted = new AcceptedByWorkers({ ...this.#parts, ledger, dispatcher })
  }

  get ready(): readonly NativeLink[] {
    return this.#admitted.ready
  }

  get backlog(): number {
    return this.#dispatcher.backlog + this.#queue.staged.length
  }

  get mayHandOut(): boolean {
    return this.#dispatcher.mayHandOut
  }

  onGateClosed(): void {
    this.#pace.keep()
  }

  draw(count: number): number {
    return this.#dispatcher.reserve(count)
  }

  get hasRoom(): boolean {
    return !this.#isFull && this.#admitted.size > 0
  }

  get hasIdle(): boolean {
    return this.#fed.length < this.#admitted.idle
  }

  get waiting(): number {
    return Math.max(0, this.#fed.length - this.#admitted.idle)
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
    this.gate.feed()
    const owned = this.#queue.own(connection)
    if (owned < 0) {
      this.#dispatcher.putBack(connection)
      this.#mend(owned)
      return
    }
    if (this.#unsettled >= mostUnsettled) this.settle()
    this.#unsettled += 1
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
    this.settle()
    if (this.#fed.length >= this.#queue.room) this.#fill()
  }

  settle(): void {
    if (this.#fed.length === 0 && this.#taken.size === 0 && !this.#mayHaveAccepted) return
    this.#unsettled = 0
    // Counted before the queue is looked at: what they are about has left the queue by then.
    const { unread } = this.#reports
    const hasTaken = this.#claim()
    // From here on others act, who may call this again.
    for (const one of this.#reports.read(unread)) this.#end(one)
    if (hasTaken) this.#dispatcher.onTaken()
  }

  /** Whether workers may have accepted connections of which nothing is known. */
  get #mayHaveAccepted(): boolean {
    return this.gate.wasOpen || this.#accepted.hasContinued
  }

  /** A worker has accepted a connection by itself. */
  #admit(...told: Parameters<AcceptedByWorkers['admit']>): PendingConnection | undefined {
    const connection = this.#accepted.admit(...told)
    if (connection === undefined) return undefined
    this.#taken.add(connection)
    this.gate.noteTaken()
    this.#pace.keep()
    return connection
  }

  recall(): PendingConnection[] {
    this.gate.close()
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
      this.#lifeline.ledger.remove(head)
      head.handle = (head.handle as NativeSocket).again(first.fd)
      // One that a dead primary has read is in the queue alone.
      head.preface ??= first.preface
      recalled.push(head)
    }
    this.#claimBefore(Number.POSITIVE_INFINITY)
    return recalled
  }

  permit(untilMs: number): void {
    this.#permitUntilMs = untilMs
    for (const { page } of this.#reports.all) page.permit(untilMs)
    if (!this.mayHandOut) this.gate.close()
    if (this.#fed.length > 0) this.#admitted.wakeAll()
  }

  link(worker: HandOffWorker): NativeLink {
    const link = new NativeLink(this.#native, this.#queue.ends.taking, this.#lifeline)
    link.page.permit(this.#permitUntilMs)
    this.#reports.add(worker, link)
    return link
  }

  /**
   * Takes over what a dead primary had handed off, in the order of the turns: it is in the queue, or a worker of that
   * primary has taken it.
   *
   * @param grants - what those workers could accept by themselves
   */
  adopt(connections: readonly PendingConnection[], grants: readonly KeptGrants[]): void {
    this.#accepted.adopt(grants)
    for (const connection of connections) {
      this.#enter(connection)
      this.#fed.append(connection)
    }
    this.#taken.adoptUpTo(this.#dispatcher.lastId)
    this.#queue.continueAfter(connections.at(-1)?.turn ?? 0)
    this.#pace.keep()
  }

  /** All workers of that primary have ended. */
  onOrphansGone(): void {
    this.#taken.onOrphansGone()
  }

  /** Reads what a worker of that primary reports; it is given nothing, and takes what is in the queue. */
  follow(worker: HandOffWorker, page: PageReader): void {
    const reports = { page, ...this.#accepted.continue(page.nonce) }
    this.#reports.add(worker, reports)
    this.#claim()
    for (const one of this.#reports.readAgain(worker, reports)) this.#end(one)
  }

  addIdle(worker: HandOffWorker): void {
    const link = this.#reports.of(worker)
    if (link instanceof NativeLink && !this.#admitted.has(worker)) {
      this.#admitted.add(worker, link)
      worker.admit()
      this.gate.add()
      this.#queue.resize(this.#admitted.size)
    }
    this.#dispatcher.pump()
  }

  removeIdle(worker: HandOffWorker): void {
    const link = this.#admitted.remove(worker)
    if (link === undefined) return
    this.gate.remove(link)
    this.#queue.resize(this.#admitted.size)
  }

  /** Workers report by their pages. */
  progress(): void {}

  lost(worker: HandOffWorker, _loss: Loss, cause: string): void {
    this.removeIdle(worker)
    this.#reports.delete(worker)
    const connection = worker.inHand
    if (connection !== undefined) {
      this.#taken.delete(connection)
      worker.lose(false)
      tellLoss(this.#log, connection, worker, cause)
      this.#close(connection, 'fail', worker)
    }
    // It may have been woken for a connection, and have died before it took it.
    if (this.#fed.length > 0) this.#admitted.wakeAll()
  }

  /** The ends of the queue, for the next primary. */
  get queue(): QueueEnds {
    return this.#queue.ends
  }

  /** Closes the queue, and the gate; whatever is in it is dropped. */
  close(): void {
    this.#pace.stop()
    this.gate.serve([])
    this.#queue.close()
  }

  #enter(connection: PendingConnection): void {
    const { client, handle } = connection
    const written = client === undefined ? (handle as NativeSocket).written : writtenClient(client)
    this.#lifeline.ledger.enter(connection, written)
  }

  /** Sends what is staged. */
  #send(): void {
    const staged = this.#queue.staged.slice()
    if (staged.length === 0) return
    const result = this.#queue.send()
    const sent = Math.max(0, result)
    for (let left = sent; left > 0 && this.#admitted.wakeOne(); left -= 1);
    if (sent > 0) this.#pace.keep()
    if (sent === staged.length) return
    for (const connection of staged.slice(sent)) {
      this.#fed.remove(connection)
      this.#lifeline.ledger.remove(connection)
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
    this.gate.check()
    if (!this.#isFull && this.#onScarce === undefined) this.#queue.ignoreRoom()
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
      this.#taken.add(head)
      this.gate.noteTaken()
    }
  }

  #end({ worker, connection, record }: Ended): void {
    const { offeredAtMs, endedAtMs, acceptedAtMs, id } = connection
    const { step, reason } = record
    if (step === 'gone') {
      this.#close(connection, 'leave', worker, record)
      return
    }
    const handlingMs = endedAtMs - offeredAtMs
    this.gate.noteEnded(handlingMs)
    this.#parts.stats.handled(offeredAtMs - acceptedAtMs, handlingMs)
    if (step === 'failed') this.#log.debug({ connection: id, reason }, 'Connection failed')
    const event: EndEvent = step === 'served' ? 'serve' : 'fail'
    this.#close(connection, event, worker, record)
  }

  #close(
    connection: PendingConnection,
    event: EndEvent,
    by?: HandOffWorker,
    report?: EndRecord,
  ): void {
    this.#lifeline.ledger.remove(connection)
    this.#dispatcher.close(connection, event, by, report)
  }

  #beat(): void {
    this.settle()
    this.#expire()
    this.#giveUp()
    this.gate.consider()
    this.#admitted.nudge(this.#fed.head?.turn ?? 0)
    if (this.#fed.length > 0 || this.#taken.size > 0) this.#pace.keep()
  }

  #expire(): void {
    const dueMs = performance.now() - this.limits.maxWaitMs
    if ((this.oldestAcceptedAtMs ?? Number.POSITIVE_INFINITY) > dueMs) return
    for (const connection of this.recall()) {
      if (connection.acceptedAtMs <= dueMs) this.#dispatcher.expire(connection)
      else this.#dispatcher.putBack(connection)
    }
    this.#dispatcher.pump()
  }

  #giveUp(): void {
    const inHand = new Set([...this.#reports.workers].map((worker) => worker.inHand))
    for (const connection of this.#taken.removeOverdue(inHand)) {
      this.#log.warn({ peer: peerOf(connection) }, 'Gave up a connection: no worker reports on it')
      this.#close(connection, 'fail')
    }
  }

  /** The queue has failed. One that an app has shut down is replaced, and the workers with it, since they have its end. */
  #mend(errno: number): void {
    this.#isFull = true
    this.#faults.tell(errno)
    setTimeout(() => {
      this.#isFull = false
      this.#dispatcher.pump()
    }, paceMs).unref()
    if (!isShutDown(errno)) return
    for (const connection of this.recall()) this.#dispatcher.putBack(connection)
    this.#pace.stop()
    this.#queue.replace()
    this.#queue.resize(this.#admitted.size)
    for (const worker of this.#reports.workers) worker.distrust('an app has shut down the queue')
  }
}
