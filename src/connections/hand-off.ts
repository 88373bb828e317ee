import type { Progress, Step } from '../ipc/progress.ts'
import type { SocketHandle } from '../ipc/socket-handle.ts'
import type { Unsent } from '../ipc/worker-messages.ts'
import type { ConnectionEvent } from '../lifecycle/connection-states.ts'
import type { NumberedEndpoint } from './endpoint-table.ts'
import type { PendingConnection } from './pending-connection.ts'

/**
 * The way from the queue to the workers. The dispatcher decides when a connection leaves its queue; the hand-off
 * takes it to one worker, and reports to the dispatcher what has become of it.
 *
 * There are two. `PortableHandOff` offers each connection to a worker that it knows to be idle. `NativeHandOff` feeds
 * a short queue in the kernel, from which idle workers take; connections still wait there, so they can be recalled.
 */
export interface HandOff {
  /** Whether it takes another connection at this moment. */
  readonly hasRoom: boolean
  /** Whether a worker is idle for which it has no connection yet. True only as of the last `settle`. */
  readonly hasIdle: boolean
  /** How many of the connections that it has taken wait until a worker is idle; too many rather than too few. */
  readonly waiting: number
  /** When the first of these was accepted, monotonic, in milliseconds; undefined when there is none. */
  readonly oldestAcceptedAtMs: number | undefined
  /** Reports to `dispatcher` from now on. Must be called before anything else. */
  reportTo(dispatcher: HandOffListener): void
  /** Takes charge of a queued connection, until it reports that connection as closed or returned. */
  take(connection: PendingConnection): void
  /** Learns what workers have done, and reports it: all that is counted is true at this moment. */
  settle(): void
  /** Returns the connections that no worker has taken yet, in their order, if they can be had; they are queued. */
  recall(): PendingConnection[]
  /** Workers may take connections until then, by the monotonic clock. A hand-off that asks for each need not know. */
  permit(untilMs: number): void
}

/** The event that ends a connection that was handed off. */
export type EndEvent = Extract<ConnectionEvent, 'serve' | 'fail' | 'leave'>

/** A worker, as logs name it. */
export interface WorkerRef {
  /** The number of its slot. */
  readonly number: number
}

/** A worker as a hand-off sees it: it has one connection at a time. */
export interface HandOffWorker extends WorkerRef {
  /** The connection that it was offered, or has; undefined when it has none. */
  readonly inHand: PendingConnection | undefined
  /** Whether it may be offered a connection. */
  readonly isIdle: boolean
  /** Sends a copy of the socket, and makes it the worker's current connection. */
  offer(connection: PendingConnection): void
  /** Whether it has recorded, or reported, that it reads this connection. */
  hasClaimed(connection: PendingConnection): boolean
  /** Tells it to take connections by itself from now on. */
  admit(): void
  /** It has taken a connection by itself, which is its current one. */
  took(connection: PendingConnection): void
  /** Its current connection has ended, or returns to the queue. */
  release(isServed: boolean): void
  /** The same when the process has ended. */
  lose(isServed: boolean): void
  /** It cannot do its part, for this reason. */
  distrust(reason: string): void
}

/** The death of a worker, as far as it concerns its current connection. */
export interface Loss {
  /** The id of the last connection that it claimed; 0 for none. */
  readonly claimed: number
  /** How its last connection ended, when only the exit status could tell. */
  readonly lastStep: Step | undefined
}

/** What a new process of a worker needs for the hand-off. */
export interface WorkerLink {
  /** The descriptors that it inherits, in their order, after stdio and the channel. */
  readonly fds: readonly number[]
}

/** A hand-off, as the workers' side of the primary sees it. */
export interface WorkerHandOff extends HandOff {
  readonly kind: 'native' | 'portable'
  /**
   * Prepares for a new process of a worker. Undefined when it needs only a progress pipe and a claim register.
   *
   * @throws Error when the system gives no descriptors or memory for it
   */
  link(worker: HandOffWorker): WorkerLink | undefined
  /** A worker is idle. */
  addIdle(worker: HandOffWorker): void
  /** A worker must get nothing more. */
  removeIdle(worker: HandOffWorker): void
  /** A worker reports on the connection that it was offered. */
  progress(worker: HandOffWorker, report: Progress): void
  /** The system has not sent a worker the connection that it was offered. */
  unsent(worker: HandOffWorker, unsent: Unsent): void
  /** A worker has ended; its connection in hand goes back to the queue, or is lost with it. */
  lost(worker: HandOffWorker, loss: Loss, cause: string): void
}

/** The dispatcher, as the hand-off sees it. */
export interface HandOffListener {
  /** How many connections wait in its queue, or to be queued. */
  readonly backlog: number
  /** Whether a connection may be handed to a worker at this very moment. */
  readonly mayHandOut: boolean
  /** The highest number that a connection has. */
  readonly lastId: number
  /** Reserves so many numbers of connections that follow each other; returns the first. */
  reserve(count: number): number
  /** Takes charge of a connection that another process has accepted, and of which it knows the client alone. */
  resume(
    id: number,
    handle: SocketHandle,
    endpoint: NumberedEndpoint,
    ageMs: number,
  ): PendingConnection
  /** The hand-off may have room again. */
  pump(): void
  /** No worker has read from the connection that it was offered: it waits again, where it was. */
  requeue(connection: PendingConnection): void
  /** A connection that was not handed off after all waits again, where it was. */
  putBack(connection: PendingConnection): void
  /** Connections have left the queue: workers have taken them. */
  onTaken(): void
  /** A connection has waited too long. */
  expire(connection: PendingConnection): void
  /**
   * A connection has ended.
   *
   * @param report - the worker's report; undefined when it has died, or none could take the connection
   */
  close(connection: PendingConnection, event: EndEvent, by?: WorkerRef, report?: Progress): void
}
