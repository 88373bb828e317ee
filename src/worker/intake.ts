import type { ListenSettings } from '../config/listen.ts'
import type { Progress } from '../ipc/progress.ts'
import type { Transport } from './transport.ts'

/** How connections come to a worker, one at a time, and how the primary learns of their end. */
export interface Intake {
  /** Reports how a connection has ended, before its client can know. */
  record(report: Progress): void
  /** Connections may come from these endpoints from now on. */
  serveFrom(endpoints: readonly ListenSettings[]): void
  /** The worker is free for another connection. */
  next(): void
  /** Takes no more connections. */
  close(): void
  /** Resolves when no earlier connection is in its closing handshake. */
  settled(): Promise<void>
}

/** The worker, as its intake sees it. */
export interface Handler {
  readonly isBusy: boolean
  /** Handles a connection that is this worker's, whatever happens from here on. */
  begin(id: number, transport: Transport): void
}
