import type { Progress } from '../ipc/progress.ts'
import type { ServedEndpoint } from '../ipc/worker-messages.ts'
import type { ConnectionOrigin } from './connection.ts'
import type { Transport } from './transport.ts'

/** How connections come to a worker, one at a time, and how the primary learns of their end. */
export interface Intake {
  /** Reports how a connection has ended, before its client can know. */
  record(report: Progress): void
  /** Connections may come from these endpoints from now on. */
  serveFrom(endpoints: readonly ServedEndpoint[]): void
  /** The worker is free for another connection. */
  next(): void
  /** Takes no more connections. */
  close(): void
  /** Resolves when no earlier connection is in its closing handshake. */
  settled(): Promise<void>
}

/** How a connection has come, and whether TLS begins before its handler. */
export interface Arrival extends ConnectionOrigin {
  readonly beginsWithTls: boolean
}

/** The worker, as its intake sees it. */
export interface Handler {
  readonly isBusy: boolean
  /** Handles a connection that is this worker's, whatever happens from here on. */
  begin(id: number, transport: Transport, arrival: Arrival): void
}
