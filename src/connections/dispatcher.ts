import type { Progress } from '../ipc/progress.ts'
import { remoteOf, type SocketHandle } from '../ipc/socket-handle.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Accounts } from './accounts.ts'
import { ClientLimit } from './client-limit.ts'
import { Failures } from './failures.ts'
import { type PendingConnection, peerOf } from './pending-connection.ts'
import type { ConnectionQueue } from './queue.ts'
import type { WorkerEnd } from '../pool/worker-end.ts'
import type { WorkerSlot } from '../pool/worker-slot.ts'

/** Answers the dispatcher's questions, and is told what becomes of connections. */
export interface DispatcherListener {
  /** Whether a connection may be handed to a worker at this very moment. */
  mayHandOut(): boolean
  /** Whether there is a descriptor to spare for a connection that was just accepted. */
  hasRoomFor(handle: SocketHandle): boolean
  /** The queue has no room for a connection, which is turned away. */
  onFull(): void
  /** A worker has reported the end of a connection, good or bad. */
  onHandled(waitMs: number, handlingMs: number): void
  /**
   * A connection has left the accounts' open states.
   *
   * @param slot - the worker that had the connection in hand, if any
   * @param report - that worker's report on its end; undefined when the worker died
   */
  onSettled(connection: PendingConnection, slot?: WorkerSlot, report?: Progress): void
}

/** A connection that has bounced this often is given up: by then at least three workers have failed to take it. */
const maxMissed = 9

/**
 * Hands connections to workers: the first in line to the worker that has been idle longest.
 *
 * The hand-over has two phases. The worker is sent the socket while the primary keeps its copy, and writes its
 * claim into the claim register before it reads the first byte. A worker that dies before that costs nothing:
 * the connection goes back to the head of the queue.
 */
export class Dispatcher {
  readonly #queue: ConnectionQueue
  readonly #accounts: Accounts
  readonly #log: Logger
  readonly #failures: Failures
  /** Longest idle first; so few that a plain list is fastest. */
  readonly #idle: WorkerSlot[] = []
  readonly #listener: DispatcherListener
  /** Limits how many connections each client may have. */
  readonly clients: ClientLimit
  #notesPeers = false
  #lastId: number

  /** @param lastId - connections are numbered from the next one on */
  constructor(
    queue: ConnectionQueue,
    accounts: Accounts,
    maxPerClient: number,
    listener: DispatcherListener,
    log: Logger,
    lastId = 0,
  ) {
    this.#lastId = lastId
    this.#queue = queue
    this.#accounts = accounts
    this.clients = new ClientLimit(maxPerClient)
    this.#listener = listener
    this.#log = log
    this.#failures = new Failures(log)
  }

  /** Sets whether connections record their client, which takes one question to the system for each. */
  notePeers(isWanted: boolean): void {
    this.#notesPeers = isWanted
  }

  /** The number of the connection that was accepted last. */
  get lastId(): number {
    return this.#lastId
  }

  /** Takes charge of a socket that was just accepted and is not being read. */
  accept(handle: SocketHandle): void {
    this.#lastId += 1
    const connection = this.#open(this.#lastId, handle, performance.now())
    if (this.clients.isExceededBy(connection)) {
      this.#noteFailure('client-limit', connection)
      this.#settle(connection, 'shed')
    } else if (!this.#listener.hasRoomFor(handle)) this.#turnAway(connection)
    else if (this.#idle.length > 0 && this.#listener.mayHandOut()) this.#offer(connection)
    else if (!this.#queue.push(connection)) this.#turnAway(connection)
  }

  /** Takes charge of a connection that was queued in another process: its number, place and age stay the same. */
  adopt(id: number, handle: SocketHandle, ageMs: number): void {
    const connection = this.#open(id, handle, performance.now() - ageMs)
    // It counts for its client, but is not refused: it was let in already.
    this.clients.isExceededBy(connection)
    this.#queue.putBack(connection)
    this.#pump()
  }

  /** Connections may be handed out (again): begins with those in the queue. */
  resume(): void {
    this.#pump()
  }

  /** Removes the first in line, to be passed to another process; undefined when the queue is empty. */
  withdraw(): PendingConnection | undefined {
    return this.#queue.shift()
  }

  /** A withdrawn connection belongs to another process now. */
  passed(connection: PendingConnection): void {
    this.#accounts.forget(connection)
    this.clients.forget(connection)
    connection.handle.close()
  }

  /** A withdrawn connection returns to the queue. */
  keep(connection: PendingConnection): void {
    this.#queue.putBack(connection)
  }

  /** A worker is idle. */
  addIdle(slot: WorkerSlot): void {
    this.#idle.push(slot)
    this.#pump()
  }

  /** A worker must not be offered anything more. */
  removeIdle(slot: WorkerSlot): void {
    const at = this.#idle.indexOf(slot)
    if (at >= 0) this.#idle.splice(at, 1)
  }

  /** A worker reports on the connection that it was offered. */
  progress(slot: WorkerSlot, report: Progress): void {
    const { step, reason, id } = report
    const connection = slot.inHand
    // A worker may report only on its own connection, so an app that writes to the pipe achieves nothing.
    if (connection === undefined || connection.id >>> 0 !== id) return
    switch (step) {
      case 'served':
        slot.served += 1
        this.#handled(connection)
        this.#release(slot)
        this.#accounts.apply(connection, 'claim')
        this.#settle(connection, 'serve', slot, report)
        return
      case 'failed':
        this.#log.debug({ connection: id, reason }, 'Connection failed')
        // When a stop drops the remaining connections, the drain reports it.
        if (reason !== 'terminated') this.#noteFailure(reason, connection)
        this.#handled(connection)
        this.#release(slot)
        this.#accounts.apply(connection, 'claim')
        this.#settle(connection, 'fail', slot, report)
        return
      case 'gone':
        this.#release(slot)
        this.#settle(connection, 'leave', slot, report)
        return
      case 'missing':
        // An app can write to the pipe too; a connection that its worker has begun to read is not offered again.
        if (slot.hasClaimed(connection)) return
        slot.free()
        // Before this worker gets its next chance: others may be idle.
        this.#missed(connection)
        if (slot.state === 'idle') this.addIdle(slot)
        return
    }
  }

  /**
   * A worker is gone; its connection in hand goes back to the queue, or is lost with it.
   *
   * @param end - the id of the last connection that it claimed, 0 for none, and how that one ended if the
   * worker could tell
   */
  lost(
    slot: WorkerSlot,
    { claimed, lastStep }: Pick<WorkerEnd, 'claimed' | 'lastStep'>,
    cause: string,
  ): void {
    this.removeIdle(slot)
    const connection = slot.inHand
    slot.inHand = undefined
    if (connection === undefined) return
    if (connection.id !== claimed) {
      this.#requeue(connection)
      return
    }
    if (lastStep === 'served') {
      slot.served += 1
      this.#accounts.apply(connection, 'claim')
      this.#settle(connection, 'serve', slot)
      return
    }
    this.#accounts.apply(connection, 'claim')
    this.#log.warn(
      {
        connection: connection.id,
        peer: peerOf(connection),
        ageMs: Math.round(performance.now() - connection.acceptedAtMs),
        worker: slot.number,
        cause,
      },
      'Connection lost with its worker',
    )
    this.#settle(connection, 'fail', slot)
  }

  /** Gives up a connection that has waited too long in the queue. */
  expire(connection: PendingConnection): void {
    this.#noteFailure('expired', connection)
    this.#settle(connection, 'expire')
  }

  /**
   * Finds clients that left while they were queued. Nothing reads a queued socket, since its bytes belong to
   * the worker; but the system forgets the peer of a connection that was reset.
   */
  probe(minWaitMs: number): void {
    const now = performance.now()
    for (const connection of this.#queue) {
      if (now - connection.acceptedAtMs < minWaitMs) return
      if (remoteOf(connection.handle) !== undefined) continue
      this.#queue.remove(connection)
      this.#settle(connection, 'leave')
    }
  }

  /**
   * Drops all queued connections, and counts them as failed (the service is stopping and time is up) or as
   * shed (another host is to serve them). Returns how many there were.
   */
  abandon(as: 'fail' | 'shed' = 'fail'): number {
    for (let dropped = 0; ; dropped += 1) {
      const connection = this.#queue.shift()
      if (connection === undefined) return dropped
      this.#settle(connection, as)
    }
  }

  /** Mutex away up to `count` queued connections, the newest first. Returns how many there were. */
  shedLast(count: number): number {
    for (let shed = 0; ; shed += 1) {
      const connection = shed < count ? this.#queue.pop() : undefined
      if (connection === undefined) return shed
      this.#settle(connection, 'shed')
    }
  }

  #turnAway(connection: PendingConnection): void {
    this.#noteFailure('shed', connection)
    this.#listener.onFull()
    this.#settle(connection, 'shed')
  }

  #open(id: number, handle: SocketHandle, acceptedAtMs: number): PendingConnection {
    return {
      id,
      handle,
      acceptedAtMs,
      offeredAtMs: 0,
      state: this.#accounts.open(),
      missed: 0,
      peer: this.#notesPeers ? peerOf({ handle }) : undefined,
      countedAs: undefined,
      next: undefined,
      previous: undefined,
    }
  }

  /** Hands out connections as long as one is queued and a worker is idle. */
  #pump(): void {
    while (this.#idle.length > 0 && this.#queue.length > 0 && this.#listener.mayHandOut()) {
      const connection = this.#queue.shift()
      if (connection === undefined) return
      this.#offer(connection)
    }
  }

  #offer(connection: PendingConnection): void {
    const slot = this.#idle.shift()
    this.#accounts.apply(connection, 'offer')
    connection.offeredAtMs = performance.now()
    slot?.offer(connection)
  }

  #handled({ acceptedAtMs, offeredAtMs }: PendingConnection): void {
    this.#listener.onHandled(offeredAtMs - acceptedAtMs, performance.now() - offeredAtMs)
  }

  /** Frees the worker, and offers it the next in line before anything else is done. */
  #release(slot: WorkerSlot): void {
    slot.free()
    if (slot.state === 'idle') this.addIdle(slot)
  }

  #requeue(connection: PendingConnection): void {
    if (remoteOf(connection.handle) === undefined) {
      this.#settle(connection, 'leave')
      return
    }
    this.#accounts.apply(connection, 'requeue')
    this.#queue.putBack(connection)
    this.#pump()
  }

  /** The offer arrived without its socket, or the worker could not claim it. */
  #missed(connection: PendingConnection): void {
    connection.missed += 1
    if (connection.missed < maxMissed) {
      this.#requeue(connection)
      return
    }
    this.#log.warn(
      { peer: peerOf(connection) },
      'Gave up a connection: no worker could receive its socket',
    )
    this.#settle(connection, 'fail')
  }

  /** Called while the socket is still open, and the system still knows the client. */
  #noteFailure(reason: string, connection: PendingConnection): void {
    this.#failures.note(reason, () => peerOf(connection))
  }

  #settle(
    connection: PendingConnection,
    event: 'serve' | 'fail' | 'shed' | 'expire' | 'leave',
    slot?: WorkerSlot,
    report?: Progress,
  ): void {
    this.#accounts.apply(connection, event)
    this.clients.forget(connection)
    connection.handle.close()
    this.#listener.onSettled(connection, slot, report)
  }
}
