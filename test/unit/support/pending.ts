import type { NumberedEndpoint } from '../../../src/connections/endpoint-table.ts'
import {
  type PendingConnection,
  pendingConnection,
} from '../../../src/connections/pending-connection.ts'
import { LooseHandle } from './handles.ts'

/** The endpoint of a connection for which it does not matter. */
export const anywhere: NumberedEndpoint = {
  number: 0,
  settings: { endpoint: { host: '127.0.0.1', port: 30_153 } },
}

/** A connection as the primary keeps it; its handle is a loose one. */
export function pending(id: number, acceptedAtMs = 0): PendingConnection {
  return pendingConnection(id, new LooseHandle(), anywhere, acceptedAtMs, 'queued')
}
