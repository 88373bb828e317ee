import { endpointOf, endpointText } from '../endpoint.ts'
import { type Remote, remoteOf, type SocketHandle } from '../ipc/socket-handle.ts'
import type { ConnectionState } from '../lifecycle/connection-states.ts'
import type { ShedReason } from '../status.ts'
import type { NumberedEndpoint } from './endpoint-table.ts'
import type { Links } from './linked-list.ts'

/** A connection that the primary still accounts for: its own copy of the socket, and its state. */
export interface PendingConnection extends Links<PendingConnection> {
  readonly id: number
  /** The primary's own copy of the socket, if it has one; in any case, it knows the client. */
  handle: SocketHandle
  /** Where it was accepted, and the settings that apply to it. */
  readonly endpoint: NumberedEndpoint
  /** When it was accepted, monotonic, in milliseconds. */
  readonly acceptedAtMs: number
  /** When it was last offered to a worker, or taken by one; monotonic, in milliseconds; 0 before that. */
  offeredAtMs: number
  /** When its worker ended it, if that was noticed later; monotonic, in milliseconds; 0 otherwise. */
  endedAtMs: number
  /** Its place among all that were fed into the kernel's queue, and the secret that proves who took it. */
  turn: number
  nonce: number
  /** The number of its entry in the ledger; written by the ledger alone. */
  entry: number
  /** Written by `Accounts` alone. */
  state: ConnectionState
  /** Offers that have failed: the socket did not arrive, or the worker could not claim it. */
  missed: number
  /** The client, if each connection gets a line in the log. */
  peer: string | undefined
  /** The bytes that were read before any worker has it, beginning with a PROXY header; undefined without one. */
  preface: Buffer | undefined
  /** The client behind the proxy; undefined when there is none, or none is known. */
  client: Remote | undefined
  /** The address that it counts for, if there is a limit for each client. */
  countedAs: string | undefined
  /** Why it was turned away; undefined for any other end. */
  shedReason: ShedReason | undefined
}

/** The entry of a connection that has none in the ledger: there is no room for one, or none is needed. */
export const noEntry = -1

/** A connection that comes into this process's charge; all have one shape, whatever becomes of them. */
export function pendingConnection(
  id: number,
  handle: SocketHandle,
  endpoint: NumberedEndpoint,
  acceptedAtMs: number,
  state: ConnectionState,
): PendingConnection {
  return {
    id,
    handle,
    endpoint,
    acceptedAtMs,
    offeredAtMs: 0,
    endedAtMs: 0,
    turn: 0,
    nonce: 0,
    entry: noEntry,
    state,
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

/**
 * The client in readable form, for logs and `status`. The system is asked only on demand; it
 * has forgotten a client that has reset its connection. The client of a Unix socket is known by that socket.
 */
export function peerOf({
  handle,
  endpoint,
  client,
}: Pick<PendingConnection, 'handle' | 'endpoint' | 'client'>): string {
  if (client !== undefined) return endpointText(endpointOf(client.path ?? client))
  const own = endpoint.settings.endpoint
  if (own.path !== undefined) return endpointText(own)
  const remote = remoteOf(handle)
  return remote === undefined ? 'unknown' : endpointText(endpointOf(remote))
}

/** The client's IP address: of the one behind the proxy, if there is one. Undefined when it has none. */
export function addressOf({
  handle,
  endpoint,
  client,
}: Pick<PendingConnection, 'handle' | 'endpoint' | 'client'>): string | undefined {
  if (client !== undefined) return client.address
  // The clients of a Unix socket have no address.
  return endpoint.settings.endpoint.path === undefined
    ? (remoteOf(handle)?.address ?? '')
    : undefined
}
