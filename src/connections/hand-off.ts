import type { Progress } from '../ipc/progress.ts'
import type { ConnectionEvent } from '../lifecycle/connection-states.ts'
import type { PendingConnection } from './pending-connection.ts'

/**
 * The way from the queue to the workers. The dispatcher decides when a connection leaves its queue; the hand-off
 * takes it to one worker, and reports to the dispatcher what has become of it.
 *
 * The interface does not say how a worker gets the connection. `PortableHandOff` offers it to a worker that it knows
 * to be idle. A kernel queue from which idle workers take fits as well: it has room as long as it is short.
 */
export interface HandOff {
  /** Whether it takes another connection at this moment. */
  readonly hasRoom: boolean
  /** Reports to `dispatcher` from now on. Must be called before anything else. */
  reportTo(dispatcher: HandOffListener): void
  /** Takes charge of a queued connection, until it reports that connection as closed or requeued. */
  take(connection: PendingConnection): void
}

/** The event that ends a connection that was handed off. */
export type EndEvent = Extract<ConnectionEvent, 'serve' | 'fail' | 'leave'>

/** A worker, as logs name it. */
export interface WorkerRef {
  /** The number of its slot. */
  readonly number: number
}

/** The dispatcher, as the hand-off sees it. */
export interface HandOffListener {
  /** The hand-off may have room again. */
  pump(): void
  /** No worker has read from the connection: it waits again, where it was. */
  requeue(connection: PendingConnection): void
  /**
   * A connection has ended.
   *
   * @param report - the worker's report; undefined when it has died, or none could take the connection
   */
  close(connection: PendingConnection, event: EndEvent, by?: WorkerRef, report?: Progress): void
}
