import { Socket } from 'node:net'
import type { PendingConnection } from '../../../src/primary/pending-connection.ts'

/** A connection as the primary keeps it; its socket is a real one that was never connected. */
export function pending(id: number, acceptedAtMs = 0): PendingConnection {
  return {
    id,
    socket: new Socket(),
    acceptedAtMs,
    state: 'queued',
    missed: 0,
    countedAs: undefined,
    next: undefined,
    previous: undefined,
  }
}
