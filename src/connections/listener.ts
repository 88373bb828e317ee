import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { getSystemErrorName } from 'node:util'
import { variables } from '../config/environment.ts'
import type { SocketFileSettings } from '../config/listen.ts'
import {
  type BoundEndpoint,
  type Endpoint,
  endpointOf,
  endpointText,
  type TcpEndpoint,
  type UnixEndpoint,
} from '../endpoint.ts'
import { codeOf, HelloserverError, messageOf, stopping } from '../errors.ts'
import { fileError } from '../files/file-error.ts'
import type { Kept } from '../files/keeper.ts'
import {
  acceptHandles,
  type BoundListener,
  type ListeningHandle,
  listeningHandle,
  listenOn,
  type SocketHandle,
} from '../ipc/socket-handle.ts'
import type { NativeModule } from '../native/native.ts'
import { bindFailure } from '../network/bind-failure.ts'
import { resolveHost } from '../network/resolve.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { NumberedEndpoint } from './endpoint-table.ts'
import { type NativeAccepting, NativeAcceptor } from './native-acceptor.ts'
import { SocketFile } from './socket-file.ts'

/**
 * Size of the kernel's own queue in front of ours; it empties fast, since Node accepts eagerly. Capped by somaxconn.
 */
const backlog = 4_096

/** How long to wait at most for the end of a flood, in milliseconds. */
const longestDrainMs = 250

/** The listening socket of one endpoint. Every connection arrives unread, since its bytes belong to the worker. */
export class Listener {
  #server: Server = createServer()
  readonly #accepting: NativeAccepting | undefined
  #acceptor: NativeAcceptor | undefined
  readonly #dispatcher: Pick<Dispatcher, 'accept'>
  readonly #log: Logger
  readonly #closed = new AbortController()
  readonly #file: SocketFile | undefined
  /** The file of a Unix socket, which others can take away; undefined for an endpoint without one. */
  readonly kept: Kept | undefined
  #endpoint: NumberedEndpoint
  #address: string | undefined
  #isGiven = false
  #livesOn = false
  #accepted = 0

  /**
   * @param endpoint - where to listen, and how its connections are served
   * @param accepting - accepts the connections; without it, Node does
   */
  constructor(
    endpoint: NumberedEndpoint,
    dispatcher: Pick<Dispatcher, 'accept'>,
    log: Logger,
    accepting?: NativeAccepting,
  ) {
    const { path } = endpoint.settings.endpoint
    this.#endpoint = endpoint
    this.#dispatcher = dispatcher
    this.#log = log
    // Few connections come by Unix sockets.
    this.#accepting = path === undefined ? accepting : undefined
    const file = path?.startsWith('/') ? new SocketFile(path, log) : undefined
    this.#file = file
    this.kept = file && {
      what: 'Unix socket',
      path: file.path,
      isThere: () => file.isThere,
      putBack: () => this.#listenAnew(),
    }
  }

  /** Where it listens, with the port that it got; undefined before and after. */
  get endpoint(): Endpoint | undefined {
    if (!this.#server.listening) return undefined
    // Node.js knows no Unix socket's path that it has not bound itself, and this one was bound under another name.
    const address = this.#server.address()
    return address === null || typeof address === 'string'
      ? this.#endpoint.settings.endpoint
      : endpointOf(address)
  }

  /** The endpoint that it was told to listen at, and what it got; undefined before and after. */
  get bound(): BoundEndpoint | undefined {
    const actual = this.endpoint
    if (actual === undefined) return undefined
    const { endpoint } = this.#endpoint.settings
    return endpoint.path === undefined
      ? { ...endpoint, boundPort: actual.port ?? endpoint.port }
      : endpoint
  }

  /** Where it binds, or has bound, with the address that the endpoint's host stands for, once that is known. */
  get target(): Endpoint {
    const { endpoint } = this.#endpoint.settings
    if (endpoint.path !== undefined || this.#address === undefined) return endpoint
    return { ...endpoint, host: this.#address, port: this.endpoint?.port ?? endpoint.port }
  }

  /** The socket belongs to a service manager, which keeps it open while this process does not run. */
  get isGiven(): boolean {
    return this.#isGiven
  }

  /** The settings under which connections are accepted. */
  get settings(): NumberedEndpoint {
    return this.#endpoint
  }

  /** Accepts connections under other settings of the same endpoint from now on. */
  serveAs(endpoint: NumberedEndpoint): void {
    this.#endpoint = endpoint
  }

  /** Gives the file of a Unix socket another owner and mode. */
  permit(settings: SocketFileSettings | undefined): void {
    if (settings !== undefined && !this.#isGiven) this.#file?.permit(settings)
  }

  /**
   * Binds and listens.
   *
   * @throws HelloserverError as `listenFailure` states, or `STOPPING` when it is closed before it has bound
   */
  async listen(): Promise<void> {
    const bind = await this.located()
    await bind()
  }

  /**
   * Finds out the address to bind. The function that it resolves with binds in the turn in which it is called, so
   * several listeners can be bound before any of them accepts a connection. Both throw as `listen` does.
   */
  async located(): Promise<() => Promise<void>> {
    const { endpoint, file } = this.#endpoint.settings
    try {
      if (endpoint.path === undefined) {
        const address = await resolveHost(endpoint.host, this.#closed.signal)
        this.#address = address
        return () => this.#bindAddress(endpoint, address)
      }
      if (file !== undefined) await this.#file?.prepare(file)
      return () => this.#bindPath(endpoint)
    } catch (error) {
      throw this.#failure(error, endpoint)
    }
  }

  async #bindAddress(endpoint: TcpEndpoint, address: string): Promise<void> {
    const { port, ipv6Only = false } = endpoint
    try {
      this.#closed.signal.throwIfAborted()
      const options = { host: address, port, backlog, ipv6Only, exclusive: true }
      await once(this.#server.listen(options), 'listening')
      if (this.#accepting !== undefined) await this.#listenAgain(this.#accepting.native)
    } catch (error) {
      throw this.#failure(error, endpoint, address)
    }
    this.#accept()
  }

  /** Node can stop accepting only on a socket that it has not bound itself. */
  async #listenAgain(native: NativeModule): Promise<void> {
    const bound = this.#server
    const fd = native.duplicate(listeningHandle(bound).fd)
    const given = createServer()
    await once(listenOnFd(given, fd), 'listening')
    bound.close()
    this.#server = given
  }

  async #bindPath(endpoint: UnixEndpoint): Promise<void> {
    const { file } = this.#endpoint.settings
    const server = createServer()
    try {
      this.#closed.signal.throwIfAborted()
      const path = this.#file?.temporaryPath ?? endpoint.path.replace('@', '\0')
      await once(server.listen({ path, backlog, exclusive: true }), 'listening')
      this.#closed.signal.throwIfAborted()
      if (file !== undefined) this.#file?.publish(file)
    } catch (error) {
      server.close()
      throw this.#failure(error, endpoint)
    }
    this.#server = server
    this.#accept()
  }

  /**
   * Puts a socket at the path again: another one, since the system makes no new file for one that has lost its own. The
   * clients that have connected to that one are served.
   *
   * @throws HelloserverError as `listenFailure` states, when something else is at the path
   */
  async #listenAnew(): Promise<void> {
    const before = this.#server
    const bind = await this.located()
    await bind()
    await drained([this])
    before.close()
  }

  #failure(error: unknown, endpoint: Endpoint, address?: string): HelloserverError {
    return this.#closed.signal.aborted ? stopping() : listenFailure(error, endpoint, address)
  }

  /**
   * Listens on a socket that another process has passed on, or that this one has bound ahead. Until `own`, it lives on in
   * that process, should this one close it.
   */
  async adopt({ handle }: BoundListener): Promise<void> {
    this.#livesOn = true
    await listenOn(this.#server, handle, backlog)
    if (this.#accepting !== undefined) await this.#listenAgain(this.#accepting.native)
    this.#accept()
  }

  /**
   * Listens on a socket that this process was given, bound and perhaps listening already.
   *
   * @throws HelloserverError `BAD_CONFIG` when the descriptor is not a socket that can listen
   */
  async adoptFd(fd: number): Promise<void> {
    const { endpoint } = this.#endpoint.settings
    const kind = endpoint.path === undefined ? 'TCP' : 'Unix stream'
    const refuse = (problem: string, cause?: unknown) =>
      new HelloserverError(
        'BAD_CONFIG',
        `Cannot listen on the inherited descriptor ${fd}${problem}: it must be a ${kind} socket`,
        { cause },
      )
    try {
      await once(listenOnFd(this.#server, fd), 'listening')
    } catch (error) {
      throw refuse(` (${messageOf(error)})`, error)
    }
    const address = this.#server.address()
    const isTcp = address !== null && typeof address === 'object'
    if (isTcp !== (kind === 'TCP')) throw refuse(` for ${endpointText(endpoint)}`)
    this.#isGiven = true
    this.#accept()
  }

  /** The handle for passing the socket to another process: it stays open as long as one of them has it. */
  get handle(): ListeningHandle {
    return listeningHandle(this.#server)
  }

  /** How many connections it has accepted. */
  get accepted(): number {
    return this.#accepted
  }

  /** Accepts those that wait, where that does not take a turn of the event loop: an acceptor may rest. */
  acceptWaiting(): void {
    this.#acceptor?.accept()
  }

  /** Clients do not find a Unix socket any more; those that have connected are still accepted. */
  hide(): void {
    this.#file?.remove()
  }

  /** Stops accepting; accepted connections are not affected. Removes the file of a Unix socket if it owns that. */
  close(): void {
    this.#closed.abort()
    this.#acceptor?.close()
    this.#acceptor = undefined
    this.#file?.remove()
    this.#stopWorkers()
    this.#server.close()
  }

  /** Workers may have the socket open: without this, clients could connect, and wait there for ever. */
  #stopWorkers(): void {
    if (this.#isGiven || this.#livesOn || !this.#server.listening) return
    this.#accepting?.native.stopListening(this.handle.fd)
  }

  /** The socket that another process has bound is this process's now, with its file. */
  own(): void {
    this.#livesOn = false
    if (!this.#isGiven) this.#file?.own()
  }

  /** The socket lives on in another process. */
  disown(): void {
    this.#livesOn = true
    this.#file?.disown()
  }

  #accept(): void {
    const onHandle = (handle: SocketHandle) => {
      this.#accepted += 1
      this.#dispatcher.accept(handle, this.#endpoint)
    }
    const onError = (error: unknown) => this.#log.error({ error }, 'Cannot accept a connection')
    if (this.#accepting === undefined) acceptHandles(this.#server, onHandle, onError)
    else {
      const handle = listeningHandle(this.#server)
      this.#acceptor = new NativeAcceptor(this.#accepting, handle, onHandle, (errno) =>
        onError(new Error(`accept ${getSystemErrorName(errno)}`)),
      )
    }
  }
}

/**
 * Resolves when no connection waits to be accepted at any of them, since closing a listening socket resets those. Node
 * accepts one connection in each turn of its event loop, so a turn without one has found none.
 */
export async function drained(listeners: readonly Listener[]): Promise<void> {
  const untilMs = performance.now() + longestDrainMs
  const accepted = () => listeners.reduce((sum, listener) => sum + listener.accepted, 0)
  // The current turn may have looked already.
  await nextTurn()
  for (let before = -1; before !== accepted() && performance.now() < untilMs; ) {
    before = accepted()
    for (const listener of listeners) listener.acceptWaiting()
    await nextTurn()
  }
}

/** Node.js takes the backlog of a descriptor from its own argument only, and else makes the queue a short one again. */
function listenOnFd(server: Server, fd: number): Server {
  return server.listen({ fd, exclusive: true }, backlog)
}

/**
 * Why the service cannot listen at an endpoint: `ADDRESS_ABSENT`, `ADDRESS_TAKEN` or `BAD_CONFIG`.
 *
 * @param address - the address that the endpoint's host stands for, as far as it is known
 */
export function listenFailure(
  error: unknown,
  endpoint: Endpoint,
  address?: string,
): HelloserverError {
  if (endpoint.path !== undefined) return socketFailure(error, endpoint)
  const names = {
    what: 'Cannot listen on',
    setting: variables.host,
    portSetting: `another port ("port" or "listen" in the configuration, or ${variables.port})`,
  }
  return bindFailure(error, endpoint, names, address)
}

function socketFailure(error: unknown, endpoint: UnixEndpoint): HelloserverError {
  if (error instanceof HelloserverError) return error
  const text = endpointText(endpoint)
  const fail = (kind: 'ADDRESS_ABSENT' | 'ADDRESS_TAKEN', why: string) =>
    new HelloserverError(kind, `Cannot listen on ${text}: ${why}`, { cause: error })
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return fail(
        'ADDRESS_TAKEN',
        'another program uses it; stop that program, or use another name',
      )
    case 'ENOENT':
      // A mount, or the program that makes it, may be later than this one.
      return fail('ADDRESS_ABSENT', 'its folder does not exist')
    default:
      return fileError('BAD_CONFIG', 'listen on', text, error)
  }
}
