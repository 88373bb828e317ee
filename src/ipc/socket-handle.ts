import type { ChildProcess, SendHandle, Serializable } from 'node:child_process'
import { once } from 'node:events'
import net, { type Server, Socket } from 'node:net'
import { getSystemErrorName } from 'node:util'
import { type BoundEndpoint, plainAddress } from '../endpoint.ts'
import { HelloserverError } from '../errors.ts'

/**
 * Sockets as Node's bare handles, without a stream around them, as node:cluster's primary accepts and sends
 * them, and for the same reason: a primary never reads or writes a connection, and building a stream for each
 * would be a third of its work. Node documents none of this, so all code that relies on it is in this file, and
 * `acceptHandles` refuses a runtime that differs.
 */
export interface SocketHandle {
  /** The number of its descriptor; undefined where the system has none. */
  readonly fd?: number
  close(): void
  /**
   * Fills in the peer's address; returns 0 or a negative error number, ENOTCONN once the connection was reset.
   * Undefined for Unix sockets, whose clients have no address.
   */
  getpeername?(into: Partial<TcpAddress>): number
  /** The same for this end's address. */
  getsockname?(into: Partial<TcpAddress>): number
  /** For a socket that is not one of Node's: a copy that is, and that is destroyed once it is sent. */
  lend?(): Socket
}

/** The address of one end of a TCP connection. */
export interface TcpAddress {
  readonly address: string
  readonly port: number
  readonly path?: never
}

/** A Unix socket, for both ends of a connection: that of the service, since clients have none of their own. */
export interface UnixAddress {
  readonly path: string
  readonly address?: never
  readonly port?: never
}

/** The client's end of a connection. */
export type Remote = TcpAddress | UnixAddress

/** The service's end of a connection. */
export type Local = TcpAddress | UnixAddress

/** A listening socket, in the form that one process sends to another. */
export interface ListeningHandle {
  readonly fd: number
  onconnection: (status: number, handle?: SocketHandle) => void
  close(): void
}

/** A listening socket with its configured endpoint, as an upgrade passes it on. */
export type BoundListener = BoundEndpoint & { readonly handle: ListeningHandle }

/**
 * Accepts a server's connections as handles, unread, in place of its `connection` event.
 *
 * @param onError - called with the reason why a connection could not be accepted
 * @throws HelloserverError `BOOT_FAILED` where Node has changed
 */
export function acceptHandles(
  server: Server,
  onHandle: (handle: SocketHandle) => void,
  onError: (error: Error) => void,
): void {
  listeningHandle(server).onconnection = (status, handle) => {
    if (handle !== undefined) onHandle(handle)
    else onError(new Error(`accept ${getSystemErrorName(status)}`))
  }
}

/**
 * The handle of a listening server.
 *
 * @throws HelloserverError `BOOT_FAILED` where Node has changed
 */
export function listeningHandle(server: Server): ListeningHandle {
  // oxlint-disable-next-line no-underscore-dangle -- Node's own name for it
  const handle = (server as Server & { _handle?: Partial<ListeningHandle> | null })._handle
  if (typeof handle?.onconnection === 'function') return handle as ListeningHandle
  throw unknownNode()
}

function unknownNode(): HelloserverError {
  return new HelloserverError(
    'BOOT_FAILED',
    `Node.js ${process.version} accepts connections in a way that helloserver does not know; use a version that docs/versions.md lists`,
  )
}

/** Node's own function for its cluster's primary, which binds without listening; a number is an error of the system. */
type CreateServerHandle = (
  address: string,
  port: number,
  family: 4 | 6 | -1,
  fd: number | undefined,
  flags: number,
) => ListeningHandle | number

/** UV_TCP_IPV6ONLY of libuv. */
const ipv6OnlyFlag = 1

/**
 * A socket that is bound and does not listen yet.
 *
 * @throws the system's error, as `listen` reports it; HelloserverError `BOOT_FAILED` where Node has changed
 */
export function boundHandle(
  at: { address: string; port: number; ipv6Only: boolean } | { path: string },
): ListeningHandle {
  const create = serverHandleCreator()
  return orThrow(
    'path' in at
      ? create(at.path.replace(/^@/, '\0'), -1, -1, undefined, 0)
      : create(
          at.address,
          at.port,
          net.isIPv6(at.address) ? 6 : 4,
          undefined,
          at.ipv6Only ? ipv6OnlyFlag : 0,
        ),
  )
}

/**
 * The handle of a socket that this process was given; the descriptor belongs to it from now on.
 *
 * @throws as `boundHandle`
 */
export function handleAt(fd: number): ListeningHandle {
  return orThrow(serverHandleCreator()('', 0, -1, fd, 0))
}

function serverHandleCreator(): CreateServerHandle {
  // oxlint-disable-next-line no-underscore-dangle -- Node's own name for it
  const create = (net as { _createServerHandle?: CreateServerHandle })._createServerHandle
  if (create === undefined) throw unknownNode()
  return create
}

function orThrow(handle: ListeningHandle | number): ListeningHandle {
  if (typeof handle !== 'number') return handle
  const code = getSystemErrorName(handle)
  throw Object.assign(new Error(`bind ${code}`), { code, syscall: 'bind' })
}

/** Makes a server listen on a socket that another process has sent. */
export async function listenOn(
  server: Server,
  handle: ListeningHandle,
  backlog?: number,
): Promise<void> {
  await once(server.listen(handle, backlog), 'listening')
}

/** Sends a copy of a socket; the sender's own stays open. */
export function sendHandle(
  child: ChildProcess,
  message: Serializable,
  handle: SocketHandle | ListeningHandle,
  onSent: (error: Error | null) => void,
): void {
  const lent = 'lend' in handle ? handle.lend?.() : undefined
  const sendable = lent === undefined ? handle : bare(lent)
  child.send(message, sendable as unknown as SendHandle, (error) => {
    lent?.destroy()
    onSent(error)
  })
}

/** The handle of a socket, which is sent as it is; Node would close the socket itself. */
function bare(socket: Socket): SocketHandle | undefined {
  // oxlint-disable-next-line no-underscore-dangle -- Node's own name for it
  return (socket as Socket & { _handle?: SocketHandle })._handle
}

/**
 * Stops Node from accepting the connections of a listening socket, which stays open. Node does so for sockets that it
 * has been given, not for those that it has bound: listen again on a copy of their descriptor.
 *
 * @throws HelloserverError `BOOT_FAILED` where Node has changed
 */
export function quiet(handle: ListeningHandle): void {
  const { readStart, readStop } = handle as { readStart?: () => number; readStop?: () => number }
  if (readStart?.call(handle) === 0 && readStop?.call(handle) === 0) return
  throw new HelloserverError(
    'BOOT_FAILED',
    `Node.js ${process.version} does not stop accepting connections; set HELLOSERVER_NATIVE=off`,
  )
}

/** A stream of Node's around a handle, which belongs to it from now on. */
export function socketOver(handle: SocketHandle): Socket {
  const options: ConstructorParameters<typeof Socket>[0] & { handle: unknown } = {
    handle,
    readable: true,
    writable: true,
    // The client may end its side and still wait for the answer (half-close).
    allowHalfOpen: true,
  }
  return new Socket(options)
}

/** The client's address; undefined when the client has reset the connection (getpeername(2)), or has none. */
export function remoteOf(handle: SocketHandle): TcpAddress | undefined {
  const remote: Partial<TcpAddress> = {}
  handle.getpeername?.(remote)
  return whole(remote)
}

/** This end's address; undefined as above. */
export function localOf(handle: SocketHandle): TcpAddress | undefined {
  const local: Partial<TcpAddress> = {}
  handle.getsockname?.(local)
  return whole(local)
}

function whole({ address, port }: Partial<TcpAddress>): TcpAddress | undefined {
  return address === undefined || port === undefined
    ? undefined
    : { address: plainAddress(address), port }
}

/** Whether the client has reset the connection. For a Unix socket, only reading from it would tell. */
export function isReset(handle: SocketHandle): boolean {
  return handle.getpeername !== undefined && remoteOf(handle) === undefined
}
