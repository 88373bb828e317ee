import type { NumberedEndpoint } from '../../../src/connections/endpoint-table.ts'
import { noEntry } from '../../../src/connections/ledger.ts'
import type { PendingConnection } from '../../../src/connections/pending-connection.ts'
import { LooseHandle } from './handles.ts'

/** The endpoint of a connection for which it does not matter. */
export const anywhere: NumberedEndpoint = {
  number: 0,
  settings: { endpoint: { host: '127.0.0.1', port: 30_153 } },
}

/** A connection as the primary keeps it; its handle is a loose one. */
export function pending(id: number, acceptedAtMs = 0): PendingConnection {
  return {
    id,
    handle: new LooseHandle(),
    endpoint: anywhere,
    acceptedAtMs,
    offeredAtMs: 0,
    endedAtMs: 0,
    turn: 0,
    nonce: 0,
    entry: noEntry,
    state: 'queued',
    missed: 0,
    peer: undefined,
    countedAs: undefined,
    preface: undefined,
    client: undefined,
    shedReason: undefined,
    next: undefined,
    previous: undefined,
  }
}
