import type { Config } from '../config/load.ts'
import type { Progress } from '../ipc/progress.ts'
import { isReset, remoteOf, type SocketHandle, type UnixAddress } from '../ipc/socket-handle.ts'
import type { FailReason } from '../lifecycle/fail-reasons.ts'
import { type ProxyHeader, parseProxyHeader } from '../proxy-protocol/proxy-header.ts'
import type { ShedReason } from '../status.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { AccessLog } from './access-log.ts'
import type { Accounts } from './accounts.ts'
import { Admission } from './admission.ts'
import { ClientLimit } from './client-limit.ts'
import type { NumberedEndpoint } from './endpoint-table.ts'
import { Failures } from './failures.ts'
import { GoneClients } from './gone-clients.ts'
import type { EndEvent, HandOff, HandOffListener, WorkerRef } from './hand-off.ts'
import {
  addressOf,
  type PendingConnection,
  peerOf,
  pendingConnection,
} from './pending-connection.ts'
import {
  type HeaderListener,
  type HeaderRefusal,
  type HeaderSettings,
  ProxyHeaders,
} from './proxy-headers.ts'
import type { ConnectionQueue } from './queue.ts'
import type { QueueRoom } from './queue-room.ts'
import type { Shedding } from './shedding.ts'
import type { Stats } from './stats.ts'
import { TrustedProxies } from './trusted-proxies.ts'

/** The service, as the dispatcher sees it. */
export interface DispatcherOwner {
  /** Whether a connection may be handed to a worker at this very moment. */
  mayHandOut(): boolean
  /** A connection has ended, or has left the queue for a worker. */
  onClosed(): void
}

/** The settings that the dispatcher applies. */
export type DispatcherSettings = HeaderSettings & Pick<Config, 'access' | 'queue' | 'log'>

export interface DispatcherParts {
  readonly queue: ConnectionQueue
  readonly room: Pick<QueueRoom, 'has'>
  readonly accounts: Accounts
  readonly stats: Pick<Stats, 'failed' | 'shed'>
  readonly handOff: HandOff
  readonly accessLog: AccessLog
  readonly shedding: Shedding
  readonly log: Logger
}

/**
 * Takes charge of each connection from its acceptance to its end. While no worker is free, it waits in the queue; first
 * come, first served. The dispatcher alone closes connections.
 */
export class Dispatcher implements HandOffListener, HeaderListener {
  readonly #queue: ConnectionQueue
  readonly #room: Pick<QueueRoom, 'has'>
  readonly #accounts: Accounts
  readonly #stats: Pick<Stats, 'failed' | 'shed'>
  readonly #handOff: HandOff
  readonly #accessLog: AccessLog
  readonly #shedding: Shedding
  readonly #owner: DispatcherOwner
  readonly #headers = new ProxyHeaders(this)
  readonly #proxies = new TrustedProxies()
  readonly #admission = new Admission()
  readonly #clients = new ClientLimit()
  readonly #gone: GoneClients
  readonly #failures: Failures
  #notesPeers = false
  #lastId: number

  /** @param lastId - connections are numbered from the next one on */
  constructor(parts: DispatcherParts, owner: DispatcherOwner, lastId = 0) {
    this.#queue = parts.queue
    this.#room = parts.room
    this.#accounts = parts.accounts
    this.#stats = parts.stats
    this.#handOff = parts.handOff
    this.#accessLog = parts.accessLog
    this.#shedding = parts.shedding
    this.#owner = owner
    this.#failures = new Failures(parts.log)
    this.#gone = new GoneClients(parts.queue, (connection) => this.#conclude(connection, 'leave'))
    this.#lastId = lastId
    this.#handOff.reportTo(this)
  }

  /**
   * Applies `access`, `queue.maxPerClient`, `connection.handshakeTimeoutMs` and `log.access`, to connections that are
   * accepted from now on.
   */
  apply(config: DispatcherSettings): void {
    this.#admission.apply(config)
    this.#clients.apply(config)
    this.#headers.apply(config)
    // It takes one question to the system for each connection.
    this.#notesPeers = config.log.access
  }

  /** The number of the connection that was accepted last. */
  get lastId(): number {
    return this.#lastId
  }

  reserve(count: number): number {
    const first = this.#lastId + 1
    this.#lastId += count
    return first
  }

  /** Whether it has no question about a client, so that a worker may accept it as well. */
  get admitsAll(): boolean {
    return this.#admission.isOpen && this.#clients.isOff && !this.#notesPeers
  }

  get backlog(): number {
    return this.#headers.length + this.#queue.length
  }

  get mayHandOut(): boolean {
    return this.#owner.mayHandOut()
  }

  /** Takes charge of a socket that was just accepted and is not being read. */
  accept(handle: SocketHandle, endpoint: NumberedEndpoint): void {
    this.#lastId += 1
    const connection = this.#register(this.#lastId, handle, endpoint, performance.now())
    if (endpoint.settings.proxyProtocol === undefined) this.#admit(connection)
    else this.#awaitHeader(connection)
  }

  /** The client is known: its connection goes to a worker, waits, or is turned away. */
  #admit(connection: PendingConnection): void {
    const { handle } = connection
    const refusal = this.#refusalOf(connection)
    if (refusal === 'gone') this.#conclude(connection, 'leave')
    else if (refusal !== undefined) {
      this.#noteFailure(refusal, connection)
      this.#shed(connection, refusal)
    } else if (!this.#room.has(handle) || !this.#mayWait()) this.#turnAway(connection)
    else if (this.#queue.length === 0 && this.#handOff.hasRoom && this.#owner.mayHandOut()) {
      this.#handOff.take(connection)
    } else if (this.#isShort() && this.#queue.push(connection)) this.pump()
    else this.#turnAway(connection)
  }

  /** Whether its client has more connections than it may; those that have ended do not count. */
  #isOneTooMany(connection: PendingConnection): boolean {
    if (!this.#clients.isExceededBy(connection)) return false
    this.#handOff.settle()
    return this.#clients.isExceeded(connection)
  }

  /** Whether one more connection may wait, or a worker is idle for it. */
  #mayWait(): boolean {
    if (this.#isShort()) return true
    this.#handOff.settle()
    if (this.#isShort() || (this.#queue.length === 0 && this.#handOff.hasIdle)) return true
    return this.#makeRoom()
  }

  /** Lets go of clients that have left a full queue; returns whether there is room then. */
  #makeRoom(): boolean {
    this.#gone.search()
    return this.#isShort()
  }

  /** Connections whose header is awaited are a part of the queue. */
  #isShort(): boolean {
    return this.backlog + this.#handOff.waiting < this.#queue.max
  }

  #awaitHeader(connection: PendingConnection): void {
    // Asked for once: a check by the proxy may be over by now, or at any moment.
    const address = addressOf(connection)
    const { settings } = connection.endpoint
    if (address === '') this.#conclude(connection, 'leave')
    else if (!this.#proxies.has(address, settings)) this.#refuse(connection, 'proxy-untrusted')
    else if (!this.#room.has(connection.handle) || !this.#mayAwait) this.#turnAway(connection)
    else this.#headers.await(connection)
  }

  /** A queue of no length still lets idle workers serve one client after the other. */
  get #mayAwait(): boolean {
    return this.#isShort() || this.#headers.length === 0 || this.#makeRoom()
  }

  onHeader(connection: PendingConnection, header: ProxyHeader): void {
    this.#know(connection, header.source)
    this.#admit(connection)
  }

  onRefused(connection: PendingConnection, reason: HeaderRefusal): void {
    this.#refuse(connection, reason)
  }

  onLeft(connection: PendingConnection): void {
    this.#conclude(connection, 'leave')
  }

  /** Waits for the header of a connection that has come from a proxy and has not sent it; false for any other. */
  #awaitsHeader(connection: PendingConnection): boolean {
    if (connection.endpoint.settings.proxyProtocol === undefined) return false
    const parsed = parseProxyHeader(connection.preface ?? Buffer.alloc(0))
    if (parsed.kind === 'header') this.#know(connection, parsed.header.source)
    else this.#headers.await(connection)
    return parsed.kind !== 'header'
  }

  #know(connection: PendingConnection, client: PendingConnection['client']): void {
    connection.client = client
    if (this.#notesPeers) connection.peer = peerOf(connection)
  }

  #refuse(connection: PendingConnection, reason: HeaderRefusal): void {
    this.#noteFailure(reason, connection)
    this.#conclude(connection, 'fail', undefined, undefined, reason)
  }

  /**
   * Takes charge of a connection that was queued in another process: its number, position and age stay the same.
   *
   * @param preface - what that process has read of it
   */
  adopt(
    id: number,
    handle: SocketHandle,
    endpoint: NumberedEndpoint,
    ageMs: number,
    preface?: Buffer,
  ): void {
    const connection = this.#register(id, handle, endpoint, performance.now() - ageMs)
    connection.preface = preface
    if (this.#awaitsHeader(connection)) return
    // It counts for its client, but is not refused: it was let in already.
    this.#clients.isExceededBy(connection)
    this.#queue.putBack(connection)
    this.pump()
  }

  /**
   * Takes charge of a connection that a primary that was killed had handed off, or that a worker has accepted. It was let
   * in already.
   *
   * @param handle - knows the client's address, and nothing else
   */
  resume(
    id: number,
    handle: SocketHandle,
    endpoint: NumberedEndpoint,
    ageMs: number,
    named?: UnixAddress,
  ): PendingConnection {
    const connection = this.#register(id, handle, endpoint, performance.now() - ageMs)
    // Behind a proxy, the handle knows the client that the proxy has named, if that has an address.
    if (endpoint.settings.proxyProtocol !== undefined)
      this.#know(connection, named ?? remoteOf(handle))
    this.#clients.isExceededBy(connection)
    return connection
  }

  /** Hands out connections as long as one is queued, the hand-off has room and the service may serve. */
  pump(): void {
    while (this.#queue.length > 0 && this.#handOff.hasRoom && this.#owner.mayHandOut()) {
      const connection = this.#queue.shift()
      if (connection === undefined) return
      this.#handOff.take(connection)
    }
  }

  /** A connection that was handed off is untouched: it waits again, where it was, unless its client has left. */
  requeue(connection: PendingConnection): void {
    if (isReset(connection.handle)) {
      this.#conclude(connection, 'leave')
      return
    }
    this.#accounts.apply(connection, 'requeue')
    this.#queue.putBack(connection)
    this.pump()
  }

  onTaken(): void {
    this.#owner.onClosed()
  }

  /** A connection that was handed off has ended. */
  close(connection: PendingConnection, event: EndEvent, by?: WorkerRef, report?: Progress): void {
    // When a stop drops the remaining connections, the drain reports it.
    if (event === 'fail' && report !== undefined && report.reason !== 'terminated') {
      this.#noteFailure(report.reason, connection)
    }
    this.#conclude(connection, event, by, report)
  }

  /** Gives up a connection that has waited too long in the queue. */
  expire(connection: PendingConnection): void {
    this.#noteFailure('expired', connection)
    this.#conclude(connection, 'expire')
  }

  /** Lets go of clients that have waited for so long at least, and have left. */
  probe(minWaitMs: number): void {
    const now = performance.now()
    const { oldestAcceptedAtMs = now } = this.#handOff
    if (now - oldestAcceptedAtMs >= minWaitMs) this.#recall()
    this.#gone.remove(minWaitMs)
    this.pump()
  }

  /**
   * Drops all queued connections, and counts them as failed (the service is stopping and time is up) or as
   * shed (another host is to serve them). Returns how many there were.
   */
  abandon(as: 'fail' | 'shed' = 'fail'): number {
    for (let dropped = 0; ; dropped += 1) {
      const connection = this.withdraw()
      if (connection === undefined) return dropped
      if (as === 'shed') this.#shed(connection, 'lease-lost')
      else this.#conclude(connection, as)
    }
  }

  /** Turns away up to `count` queued connections, the newest first. Returns how many there were. */
  shedLast(count: number): number {
    for (let shed = 0; ; shed += 1) {
      const connection =
        shed < count ? (this.#headers.remove('last') ?? this.#queue.pop()) : undefined
      if (connection === undefined) return shed
      this.#shed(connection, 'queue-full')
    }
  }

  /**
   * Removes the first in line, to be passed to another process; those whose header is awaited come last. Undefined when
   * nobody waits.
   */
  withdraw(): PendingConnection | undefined {
    this.#recall()
    return this.#queue.shift() ?? this.#headers.remove('first')
  }

  /** A withdrawn connection belongs to another process now. */
  passed(connection: PendingConnection): void {
    this.#accounts.forget(connection)
    this.#clients.forget(connection)
    connection.handle.close()
  }

  /** A connection that was withdrawn, or not handed off after all, returns to the queue. */
  putBack(connection: PendingConnection): void {
    if (!this.#awaitsHeader(connection)) this.#queue.putBack(connection)
  }

  /** Connections that the hand-off has taken and no worker has are queued here again. */
  #recall(): void {
    for (const connection of this.#handOff.recall()) this.#queue.putBack(connection)
  }

  #register(
    id: number,
    handle: SocketHandle,
    endpoint: NumberedEndpoint,
    acceptedAtMs: number,
  ): PendingConnection {
    const state = this.#accounts.accept()
    const connection = pendingConnection(id, handle, endpoint, acceptedAtMs, state)
    if (this.#notesPeers) connection.peer = peerOf(connection)
    return connection
  }

  #turnAway(connection: PendingConnection): void {
    this.#noteFailure('shed', connection)
    this.#shedding.shed(this.#queue.length)
    this.#shed(connection, 'queue-full')
  }

  /**
   * Why a client may not enter, by its address; undefined when it may. A Unix socket's clients have no address. One that
   * has reset its connection has none any more: it is gone, or what it has sent could be read whatever its address was.
   */
  #refusalOf(connection: PendingConnection): ShedReason | 'gone' | undefined {
    if (!this.#admission.isOpen) {
      const address = addressOf(connection)
      if (address === '') return 'gone'
      const refusal = address === undefined ? undefined : this.#admission.refusalOf(address)
      if (refusal !== undefined) return refusal
    }
    return this.#isOneTooMany(connection) ? 'client-limit' : undefined
  }

  #shed(connection: PendingConnection, reason: ShedReason): void {
    this.#stats.shed(reason)
    connection.shedReason = reason
    this.#conclude(connection, 'shed')
  }

  /** Must be called while the socket is still open, and the system still knows the client. */
  #noteFailure(reason: string, connection: PendingConnection): void {
    this.#failures.note(reason, () => peerOf(connection))
  }

  /** The only end of a connection, whatever its cause. */
  #conclude(
    connection: PendingConnection,
    event: EndEvent | 'shed' | 'expire',
    by?: WorkerRef,
    report?: Progress,
    refusal?: HeaderRefusal,
  ): void {
    this.#accounts.apply(connection, event)
    if (event === 'fail') this.#stats.failed(refusal ?? report?.reason ?? reasonWithout(by))
    this.#clients.forget(connection)
    connection.handle.close()
    this.#accessLog.write(connection, by, report, refusal)
    this.#owner.onClosed()
  }
}

/** Why a connection has failed that no worker has reported on. */
function reasonWithout(worker: WorkerRef | undefined): FailReason {
  return worker === undefined ? 'dropped' : 'worker-died'
}
