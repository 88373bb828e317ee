import { constants } from 'node:os'
import type { Progress } from '../ipc/progress.ts'
import { needStreams } from '../ipc/stream-handle.ts'
import type { Unsent } from '../ipc/worker-messages.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Accounts } from './accounts.ts'
import type { HandOffListener, HandOffWorker, Loss, WorkerHandOff } from './hand-off.ts'
import { type PendingConnection, peerOf } from './pending-connection.ts'
import { SendFaults } from './send-faults.ts'
import type { Stats } from './stats.ts'
import { tellLoss } from './tell-loss.ts'

const { EPIPE, ECONNRESET, ECANCELED } = constants.errno

/** Why nothing can be sent to a worker whose end of the channel is closed. */
const closedEndErrnos: ReadonlySet<number> = new Set([-EPIPE, -ECONNRESET, -ECANCELED])

/** A connection whose offer has failed this often is given up: by then at least three workers have failed to take it. */
const maxMissed = 9

/**
 * Offers each connection to the worker that has been idle longest.
 *
 * The hand-off has two phases. The worker is sent the socket while the primary keeps its copy, and writes its claim
 * into the claim register before it reads the first byte. A worker that dies before that costs nothing: the
 * connection goes back to the head of the queue.
 */
export class PortableHandOff implements WorkerHandOff {
  readonly kind = 'portable'
  /** An offered connection counts as the worker's. */
  readonly waiting = 0
  readonly oldestAcceptedAtMs = undefined
  readonly #accounts: Accounts
  readonly #stats: Stats
  readonly #log: Logger
  /** Longest idle first; so few that a plain list is fastest. */
  readonly #idle: HandOffWorker[] = []
  readonly #faults: SendFaults
  #dispatcher!: HandOffListener

  /** @throws HelloserverError `BOOT_FAILED` where Node has changed */
  constructor(accounts: Accounts, stats: Stats, log: Logger) {
    needStreams()
    this.#accounts = accounts
    this.#stats = stats
    this.#log = log
    this.#faults = new SendFaults(log)
  }

  reportTo(dispatcher: HandOffListener): void {
    this.#dispatcher = dispatcher
  }

  get hasRoom(): boolean {
    return this.#idle.length > 0
  }

  take(connection: PendingConnection): void {
    const worker = this.#idle.shift()
    this.#accounts.apply(connection, 'offer')
    connection.offeredAtMs = performance.now()
    worker?.offer(connection)
  }

  get hasIdle(): boolean {
    return this.hasRoom
  }

  /** Every report is acted on when it comes. */
  settle(): void {}

  /** An offer cannot be withdrawn. */
  recall(): PendingConnection[] {
    return []
  }

  /** The dispatcher asks before each hand-out. */
  permit(): void {}

  link(): undefined {
    return undefined
  }

  addIdle(worker: HandOffWorker): void {
    this.#idle.push(worker)
    this.#dispatcher.pump()
  }

  removeIdle(worker: HandOffWorker): void {
    const at = this.#idle.indexOf(worker)
    if (at >= 0) this.#idle.splice(at, 1)
  }

  progress(worker: HandOffWorker, report: Progress): void {
    const { step, reason, id } = report
    const connection = worker.inHand
    // A worker may report only on its own connection, so an app that writes to the pipe achieves nothing.
    if (connection === undefined || connection.id >>> 0 !== id) return
    switch (step) {
      case 'served':
        this.#handled(connection)
        this.#release(worker, true)
        this.#accounts.apply(connection, 'claim')
        this.#dispatcher.close(connection, 'serve', worker, report)
        return
      case 'failed':
        this.#log.debug({ connection: id, reason }, 'Connection failed')
        this.#handled(connection)
        this.#release(worker, false)
        this.#accounts.apply(connection, 'claim')
        this.#dispatcher.close(connection, 'fail', worker, report)
        return
      case 'gone':
        this.#release(worker, false)
        this.#dispatcher.close(connection, 'leave', worker, report)
        return
      case 'missing':
        // An app can write to the pipe too; a connection that its worker has begun to read is not offered again.
        if (worker.hasClaimed(connection)) return
        worker.release(false)
        // Before this worker gets its next chance: others may be idle.
        this.#missed(connection)
        if (worker.isIdle) this.addIdle(worker)
        return
    }
  }

  unsent(worker: HandOffWorker, { id, errno }: Unsent): void {
    const connection = worker.inHand
    // What it has by now may be another one, or the app's doing.
    if (connection?.id !== id || worker.hasClaimed(connection)) return
    // A worker whose end is closed is dying, which is noticed anyway.
    if (!closedEndErrnos.has(errno)) this.#faults.tell(errno)
    worker.release(false)
    this.#dispatcher.requeue(connection)
    if (worker.isIdle) this.addIdle(worker)
  }

  lost(worker: HandOffWorker, { claimed, lastStep }: Loss, cause: string): void {
    this.removeIdle(worker)
    const connection = worker.inHand
    if (connection === undefined) return
    const isClaimed = connection.id === claimed
    const isServed = isClaimed && lastStep === 'served'
    worker.lose(isServed)
    if (!isClaimed) {
      this.#dispatcher.requeue(connection)
      return
    }
    this.#accounts.apply(connection, 'claim')
    if (!isServed) tellLoss(this.#log, connection, worker, cause)
    this.#dispatcher.close(connection, isServed ? 'serve' : 'fail', worker)
  }

  #handled({ acceptedAtMs, offeredAtMs }: PendingConnection): void {
    this.#stats.handled(offeredAtMs - acceptedAtMs, performance.now() - offeredAtMs)
  }

  /** Frees the worker, and offers it the next in line before anything else is done. */
  #release(worker: HandOffWorker, isServed: boolean): void {
    worker.release(isServed)
    if (worker.isIdle) this.addIdle(worker)
  }

  /** The offer arrived without its socket, or the worker could not claim it. */
  #missed(connection: PendingConnection): void {
    connection.missed += 1
    if (connection.missed < maxMissed) {
      this.#dispatcher.requeue(connection)
      return
    }
    this.#log.warn(
      { peer: peerOf(connection) },
      'Gave up a connection: no worker could receive its socket',
    )
    this.#dispatcher.close(connection, 'fail')
  }
}
