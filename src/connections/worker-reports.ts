import type { EndRecord, PageReader } from '../ipc/worker-page.ts'
import type { Grants } from './grants.ts'
import type { HandOffWorker } from './hand-off.ts'
import type { PendingConnection } from './pending-connection.ts'
import { type Moment, momentNow, timeEnd, timeTaken } from './shared-time.ts'
import type { TakenConnections } from './taken-connections.ts'

/** The end of a connection, as its worker has recorded it. */
export interface Ended {
  readonly worker: HandOffWorker
  readonly connection: PendingConnection
  readonly record: EndRecord
}

/** How a worker reports: one that this process has started, or one of a primary that was killed. */
export interface Reports {
  readonly page: PageReader
  /** What it may accept by itself; undefined when that is nothing. */
  readonly grants: Grants | undefined
  /** Its process has ended. */
  close(): void
}

/** A connection that a worker has accepted by itself, as far as it tells. */
export type Accepted = Pick<EndRecord, 'id' | 'nonce' | 'endpoint' | 'takenAtMs' | 'address'>

/**
 * Takes charge of such a connection, as one that a worker has taken; undefined when there can be none.
 *
 * @param grants - those of which it is one
 * @param hasEnded - whether its end follows
 */
export type Admit = (
  accepted: Accepted,
  grants: Grants,
  now: Moment,
  hasEnded: boolean,
) => PendingConnection | undefined

/** How many records of a worker there had been at one moment. */
type Unread = readonly [worker: HandOffWorker, page: PageReader, recorded: number]

/**
 * The workers' pages, as their primary reads them. A page is its worker's app's, too, so nothing in it is trusted: a
 * record counts only for a connection that has left the queue, and with the secret that came with it.
 */
export class WorkerReports {
  readonly #all = new Map<HandOffWorker, Reports>()
  readonly #taken: TakenConnections
  readonly #admit: Admit

  /** @param taken - those that end are removed */
  constructor(taken: TakenConnections, admit: Admit) {
    this.#taken = taken
    this.#admit = admit
  }

  get workers(): Iterable<HandOffWorker> {
    return this.#all.keys()
  }

  get all(): Iterable<Reports> {
    return this.#all.values()
  }

  of(worker: HandOffWorker): Reports | undefined {
    return this.#all.get(worker)
  }

  add(worker: HandOffWorker, reports: Reports): void {
    this.#all.set(worker, reports)
  }

  /** The worker's process has ended. */
  delete(worker: HandOffWorker): void {
    this.#all.get(worker)?.close()
    this.#all.delete(worker)
  }

  /** The records that were not read; those that come later are read the next time. */
  get unread(): readonly Unread[] {
    return [...this.#all].map(([worker, { page }]) => [worker, page, page.recorded] as const)
  }

  /**
   * Reads these records, and what every worker has in hand. Each connection that has ended is to be ended before the
   * next record is read; records may be read elsewhere in between.
   */
  *read(unread: readonly Unread[]): Generator<Ended, void> {
    const now = momentNow()
    for (const [worker, page, recorded] of unread) {
      while (!page.isReadTo(recorded)) {
        const ended = this.#readEnd(worker, page, now)
        if (ended !== undefined) yield ended
        else {
          page.skip()
          worker.distrust('it wrote invalid data into its page')
        }
      }
    }
    for (const [worker, { page }] of this.#all) this.#seeCurrent(worker, page, now)
  }

  /**
   * The same for a worker of a primary that was killed, from the oldest record that is there. Most of them are about
   * connections that this primary has counted.
   */
  *readAgain(worker: HandOffWorker, { page }: Reports): Generator<Ended, void> {
    const now = momentNow()
    page.rewind()
    const { recorded } = page
    while (!page.isReadTo(recorded)) {
      const ended = this.#readEnd(worker, page, now)
      if (ended !== undefined) yield ended
    }
    this.#seeCurrent(worker, page, now)
  }

  /** What the next record says; undefined when it is about no connection that was taken. */
  #readEnd(worker: HandOffWorker, page: PageReader, now: Moment): Ended | undefined {
    const record = page.next()
    const connection = record && this.#found(worker, record, now, true)
    if (record === undefined || connection?.nonce !== record.nonce) return undefined
    this.#taken.delete(connection)
    timeEnd(connection, record, now)
    if (worker.inHand !== connection && worker.inHand !== undefined) this.#disown(worker)
    worker.release(record.step === 'served')
    return { worker, connection, record }
  }

  /** A worker has gone on to another connection, and has not recorded the end of this one. */
  #disown(worker: HandOffWorker): void {
    worker.distrust('it did not record how a connection ended')
    worker.release(false)
  }

  /** The connection that a worker means; one that it has accepted by itself is admitted then. */
  #found(
    worker: HandOffWorker,
    told: Accepted,
    now: Moment,
    hasEnded: boolean,
  ): PendingConnection | undefined {
    const known = this.#taken.get(told.id)
    if (known !== undefined) return known
    const grants = this.#all.get(worker)?.grants
    return grants?.isNext(told.id, told.nonce)
      ? this.#admit(told, grants, now, hasEnded)
      : undefined
  }

  #seeCurrent(worker: HandOffWorker, page: PageReader, now: Moment): void {
    const { id, nonce, endpoint, takenAtMs } = page.current
    const { inHand } = worker
    if (inHand?.id === id && inHand.nonce === nonce) return
    const told = { id, nonce, endpoint, takenAtMs, address: page.peer }
    // The worker has gone on since its records were counted: the next time, they are read before this.
    if (page.unread > 0 || page.current.endpoint !== endpoint) return
    const known = this.#taken.get(id)
    const connection =
      known ?? (told.address === '' ? undefined : this.#found(worker, told, now, false))
    if (connection?.nonce !== nonce) return
    if (worker.inHand !== undefined) this.#disown(worker)
    timeTaken(connection, takenAtMs, now)
    worker.took(connection)
  }
}
