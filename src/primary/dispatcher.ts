import type { Progress } from '../ipc/progress.ts'
import { remoteOf, type SocketHandle } from '../ipc/socket-handle.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Accounts } from './accounts.ts'
import { ClientLimit } from './client-limit.ts'
import { Failures } from './failures.ts'
import { type PendingConnection, peerOf } from './pending-connection.ts'
import type { ConnectionQueue } from './queue.ts'
import type { WorkerEnd } from './worker-end.ts'
import type { WorkerSlot } from './worker-slot.ts'

/** Asked whether, and told what becomes of connections. */
export interface DispatcherListener {
  /** Whether a connection may be handed to a worker at this very moment. */
  mayHandOut(): boolean
  /** Whether there is a descriptor to spare for one that was just accepted. */
  hasRoomFor(handle: SocketHandle): boolean
  /** The queue has no room for one: it is turned away. */
  onFull(): void
  /** A worker has ended one, well or badly, and says so. */
  onHandled(waitMs: number, handlingMs: number): void
  /**
   * One has left the accounts' open states.
   *
   * @param slot - the worker that had it in hand, if one did
   * @param report - what that worker said of its end; undefined when it died
   */
  onSettled(connection: PendingConnection, slot?: WorkerSlot, report?: Progress): void
}

/** A connection that bounced so often is given up: by then three workers or more were taken out for it. */
const maxMissed = 9

/**
 * Hands connections to workers: first in line to the worker that has been idle longest.
 *
 * Hand-off has two phases. The worker is sent the socket while the primary keeps its copy, and writes its
 * claim into the claim register before it reads the first byte. A worker that dies before that costs
 * nothing: the connection goes back to the head of the queue.
 */
export class Dispatcher {
  readonly #queue: ConnectionQueue
  readonly #accounts: Accounts
  readonly #log: Logger
  readonly #failures: Failures
  /** Longest idle first; few enough that a plain list is the fastest. */
  readonly #idle: WorkerSlot[] = []
  readonly #listener: DispatcherListener
  /** How many connections each client may have. */
  readonly clients: ClientLimit
  #notesPeers = false
  #lastId: number

  /** @param lastId - the connections' numbers begin after this one */
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

  /** Whether connections are to keep who their client is, which costs a question to the system each. */
  notePeers(isWanted: boolean): void {
    this.#notesPeers = isWanted
  }

  /** The number of the last connection that was accepted. */
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

  /** Takes charge of one that waited in another process: it keeps its number, its place and its patience. */
  adopt(id: number, handle: SocketHandle, ageMs: number): void {
    const connection = this.#open(id, handle, performance.now() - ageMs)
    // It is counted for its client, but it was let in already.
    this.clients.isExceededBy(connection)
    this.#queue.putBack(connection)
    this.#pump()
  }

  /** Connections may be handed out, perhaps again: those who wait have their turn. */
  resume(): void {
    this.#pump()
  }

  /** Takes the first in line out of turn, to be passed to another process; undefined when nobody waits. */
  withdraw(): PendingConnection | undefined {
    return this.#queue.shift()
  }

  /** A connection that was withdrawn is another process's now. */
  passed(connection: PendingConnection): void {
    this.#accounts.forget(connection)
    this.clients.forget(connection)
    connection.handle.close()
  }

  /** A connection that was withdrawn waits on here. */
  keep(connection: PendingConnection): void {
    this.#queue.putBack(connection)
  }

  /** A worker has nothing in hand. */
  addIdle(slot: WorkerSlot): void {
    this.#idle.push(slot)
    this.#pump()
  }

  /** A worker is not to be offered anything more. */
  removeIdle(slot: WorkerSlot): void {
    const at = this.#idle.indexOf(slot)
    if (at >= 0) this.#idle.splice(at, 1)
  }

  /** A worker said what became of the connection that it was offered. */
  progress(slot: WorkerSlot, report: Progress): void {
    const { step, reason, id } = report
    const connection = slot.inHand
    // Only the worker's own connection is its to report on; an app that writes to the pipe gets nowhere.
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
        // Of a stop that drops what is left, the drain tells.
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
        // An app can write to the pipe too; what it has begun to read is not offered again.
        if (slot.hasClaimed(connection)) return
        slot.free()
        // Before this worker has its next chance: others may be idle.
        this.#missed(connection)
        if (slot.state === 'idle') this.addIdle(slot)
        return
    }
  }

  /**
   * A worker is gone; what it had in hand goes back to the queue, or is lost with it.
   *
   * @param end - the id of the last connection that it claimed, 0 for none, and how that one ended if it could say so
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

  /** Gives up a connection that the queue let wait for too long. */
  expire(connection: PendingConnection): void {
    this.#noteFailure('expired', connection)
    this.#settle(connection, 'expire')
  }

  /**
   * Finds clients that left while they waited. Nothing reads a queued socket, since its bytes belong to
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
   * Drops everything that waits, and counts it as failed (the service is stopping and time is up) or as shed (another
   * host is to serve it). Returns how many there were.
   */
  abandon(as: 'fail' | 'shed' = 'fail'): number {
    for (let dropped = 0; ; dropped += 1) {
      const connection = this.#queue.shift()
      if (connection === undefined) return dropped
      this.#settle(connection, as)
    }
  }

  /** Turns away so many of those who wait, the last ones first. Returns how many there were. */
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

  /** As long as somebody waits and somebody is idle. */
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

  /** The worker is free again, and the next in line goes to it before anything else is done. */
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

  /** The offer came without its socket, or the worker could not claim it. */
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

  /** While its socket is still open, and its client known to the system. */
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
