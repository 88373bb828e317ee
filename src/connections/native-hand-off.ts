import type { EndRecord, PageReader } from '../ipc/worker-page.ts'
import type { NativeModule } from '../native/native.ts'
import type { Logger } from '../telemetry/logger.ts'
import { AcceptRest } from './accept-rest.ts'
import { AcceptedByWorkers } from './accepted-by-workers.ts'
import type { Accounts } from './accounts.ts'
import type { EndpointTable } from './endpoint-table.ts'
import { Feed } from './feed.ts'
import { Gate } from './gate.ts'
import type { KeptGrants } from './grants.ts'
import type { EndEvent, HandOffListener, HandOffWorker, Loss, WorkerHandOff } from './hand-off.ts'
import type { QueueEnds } from './kernel-queue.ts'
import type { Lifeline } from './lifeline.ts'
import { NativeLink } from './native-link.ts'
import { Pace } from './pace.ts'
import { type PendingConnection, peerOf } from './pending-connection.ts'
import type { QueueLimits } from './queue.ts'
import type { Stats } from './stats.ts'
import { TakenConnections } from './taken-connections.ts'
import { TakingWorkers } from './taking-workers.ts'
import { tellLoss } from './tell-loss.ts'
import { type Ended, WorkerReports } from './worker-reports.ts'

/** How often the workers' pages are read while a connection is handed off, in milliseconds. */
const paceMs = 20

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
 * Idle workers take one connection each from a short queue in the kernel. Nothing is offered to anybody: a worker that
 * dies has taken one connection or none, and all others are still in the queue.
 *
 * A connection is in the feed as long as its turn in the queue has not come. Then a worker has taken it, and it is in
 * `#taken` until that worker has recorded its end in the page that both share, or has died. This is learned in
 * `settle`, and no worker wakes this process.
 *
 * While the gate is open, workers accept by themselves, and the queue is empty. This process learns of those connections
 * in `settle` as well, where they are admitted as connections that are taken.
 */
export class NativeHandOff implements WorkerHandOff {
  readonly kind = 'native'
  /** The workers that take connections. */
  readonly workers = new TakingWorkers()
  /** When connections are accepted. */
  readonly rest: AcceptRest
  /** Opens for workers that may accept by themselves. */
  readonly gate: Gate
  readonly #parts: NativeHandOffParts
  readonly #feed: Feed
  readonly #taken = new TakenConnections()
  readonly #reports: WorkerReports
  readonly #pace = new Pace(paceMs, () => this.#beat())
  #dispatcher!: HandOffListener
  #accepted!: AcceptedByWorkers
  #permitUntilMs = 0

  /** @throws Error when the system gives no descriptors for the queue */
  constructor(parts: NativeHandOffParts) {
    this.#parts = parts
    const { workers } = this
    this.#feed = new Feed(
      { ...parts, workers },
      {
        settle: () => this.settle(),
        onTaken: (connection, nowMs) => this.#onTaken(connection, nowMs),
        onSent: () => this.#pace.keep(),
        onRoom: () => this.gate.check(),
        onReplaced: () => this.#onReplaced(),
      },
    )
    this.rest = new AcceptRest(this.#feed)
    this.gate = new Gate(parts.native, this.rest, {
      workers,
      limits: parts.limits,
      backlog: () => this.#dispatcher.backlog + this.#feed.staged,
      mayHandOut: () => this.#dispatcher.mayHandOut,
      settle: () => this.settle(),
      onClosed: () => this.#pace.keep(),
      reserve: (count) => this.#dispatcher.reserve(count),
    })
    this.#reports = new WorkerReports(this.#taken, (...told) => this.#admit(...told))
  }

  reportTo(dispatcher: HandOffListener): void {
    this.#dispatcher = dispatcher
    this.#feed.reportTo(dispatcher)
    const { ledger } = this.#parts.lifeline
    this.#accepted = new AcceptedByWorkers({ ...this.#parts, ledger, dispatcher })
  }

  get hasRoom(): boolean {
    return this.#feed.hasRoom
  }

  get hasIdle(): boolean {
    return this.#feed.length < this.workers.idle
  }

  get waiting(): number {
    return Math.max(0, this.#feed.length - this.workers.idle)
  }

  get oldestAcceptedAtMs(): number | undefined {
    return this.#feed.first?.acceptedAtMs
  }

  take(connection: PendingConnection): void {
    this.gate.noteFed()
    this.#feed.take(connection)
  }

  settle(): void {
    if (this.#feed.length === 0 && this.#taken.size === 0 && !this.#mayHaveAccepted) return
    // Counted before the queue is looked at: what they are about has left the queue by then.
    const { unread } = this.#reports
    const hasTaken = this.#feed.claim()
    // From here on others act, who may call this again.
    for (const one of this.#reports.read(unread)) this.#end(one)
    if (hasTaken) this.#dispatcher.onTaken()
  }

  recall(): PendingConnection[] {
    this.gate.close()
    return this.#feed.recall()
  }

  permit(untilMs: number): void {
    this.#permitUntilMs = untilMs
    for (const { page } of this.#reports.all) page.permit(untilMs)
    if (!this.#dispatcher.mayHandOut) this.gate.close()
    this.#feed.wakeAll()
  }

  link(worker: HandOffWorker): NativeLink {
    const { native, lifeline } = this.#parts
    const link = new NativeLink(native, this.#feed.ends.taking, lifeline)
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
    this.#feed.adopt(connections)
    this.#taken.adoptUpTo(this.#dispatcher.lastId)
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
    this.#feed.claim()
    for (const one of this.#reports.readAgain(worker, reports)) this.#end(one)
  }

  addIdle(worker: HandOffWorker): void {
    const link = this.#reports.of(worker)
    if (link instanceof NativeLink && !this.workers.has(worker)) {
      this.workers.add(worker, link)
      worker.admit()
      this.gate.widen()
      this.#feed.resize()
    }
    this.#dispatcher.pump()
  }

  removeIdle(worker: HandOffWorker): void {
    const link = this.workers.remove(worker)
    if (link === undefined) return
    this.gate.remove(link)
    this.#feed.resize()
  }

  /** Workers report by their pages. */
  progress(): void {}

  /** Nothing is offered. */
  unsent(): void {}

  lost(worker: HandOffWorker, _loss: Loss, cause: string): void {
    this.removeIdle(worker)
    this.#reports.delete(worker)
    const connection = worker.inHand
    if (connection !== undefined) {
      this.#taken.delete(connection)
      worker.lose(false)
      tellLoss(this.#parts.log, connection, worker, cause)
      this.#close(connection, 'fail', worker)
    }
    // It may have been woken for a connection, and have died before it took it.
    this.#feed.wakeAll()
  }

  /** The ends of the queue, for the next primary. */
  get queue(): QueueEnds {
    return this.#feed.ends
  }

  /** Closes the queue, and the gate; whatever is in it is dropped. */
  close(): void {
    this.gate.withdraw()
    this.#pace.stop()
    this.#feed.close()
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

  #onTaken(connection: PendingConnection, nowMs: number): void {
    this.#parts.accounts.apply(connection, 'claim')
    connection.offeredAtMs = nowMs
    this.#taken.add(connection)
    this.gate.noteTaken()
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
    if (step === 'failed') this.#parts.log.debug({ connection: id, reason }, 'Connection failed')
    const event: EndEvent = step === 'served' ? 'serve' : 'fail'
    this.#close(connection, event, worker, record)
  }

  #close(
    connection: PendingConnection,
    event: EndEvent,
    by?: HandOffWorker,
    report?: EndRecord,
  ): void {
    this.#parts.lifeline.ledger.remove(connection)
    this.#dispatcher.close(connection, event, by, report)
  }

  #beat(): void {
    this.settle()
    this.#expire()
    this.#giveUp()
    this.gate.consider()
    this.#feed.nudge()
    if (this.#feed.length > 0 || this.#taken.size > 0) this.#pace.keep()
  }

  #expire(): void {
    const dueMs = performance.now() - this.#parts.limits.maxWaitMs
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
      this.#parts.log.warn(
        { peer: peerOf(connection) },
        'Gave up a connection: no worker reports on it',
      )
      this.#close(connection, 'fail')
    }
  }

  /** An app has shut down the queue that was before. */
  #onReplaced(): void {
    for (const worker of this.#reports.workers) worker.distrust('an app has shut down the queue')
  }
}
