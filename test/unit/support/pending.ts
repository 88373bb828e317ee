import type { PendingConnection } from '../../../src/connections/pending-connection.ts'
import { LooseHandle } from './handles.ts'

/** A connection as the primary keeps it; its handle is a loose one. */
export function pending(id: number, acceptedAtMs = 0): PendingConnection {
  return {
    id,
    handle: new LooseHandle(),
    acceptedAtMs,
    offeredAtMs: 0,
    endedAtMs: 0,
    turn: 0,
    nonce: 0,
    state: 'queued',
    missed: 0,
    peer: undefined,
    countedAs: undefined,
    next: undefined,
    previous: undefined,
  }
}
