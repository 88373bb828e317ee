import type { Socket } from 'node:net'
import type { ConnectionState } from '../lifecycle/connection-states.ts'
import type { Links } from './linked-list.ts'

/** A connection that the primary still accounts for: its own copy of the socket, and where it stands. */
export interface PendingConnection extends Links<PendingConnection> {
  readonly id: number
  readonly socket: Socket
  /** The client's address, or "" when it had left before it could be asked for. */
  readonly remoteAddress: string
  readonly remotePort: number
  /** When it was accepted, monotonic, in milliseconds. */
  readonly acceptedAtMs: number
  /** Written by `Accounts` alone. */
  state: ConnectionState
  /** Offers that came to nothing because the socket did not arrive with them. */
  missed: number
}

/** The client as a person writes it, for logs and `status`. */
export function peerOf(connection: PendingConnection): string {
  const { remoteAddress, remotePort } = connection
  if (remoteAddress === '') return 'unknown'
  return remoteAddress.includes(':')
    ? `[${remoteAddress}]:${remotePort}`
    : `${remoteAddress}:${remotePort}`
}
