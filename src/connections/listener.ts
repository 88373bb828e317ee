import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { getSystemErrorName } from 'node:util'
import { variables } from '../config/environment.ts'
import { type Endpoint, endpointOf, type TcpEndpoint } from '../endpoint.ts'
import { HelloserverError, messageOf, stopping } from '../errors.ts'
import {
  acceptHandles,
  type ListeningHandle,
  listeningHandle,
  listenOn,
  type SocketHandle,
} from '../ipc/socket-handle.ts'
import { bindFailure } from '../network/bind-failure.ts'
import { resolveHost } from '../network/resolve.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { NativeModule } from '../native/native.ts'
import type { Dispatcher } from './dispatcher.ts'
import { NativeAcceptor } from './native-acceptor.ts'

/**
 * Size of the kernel's own queue in front of ours; it empties fast, since Node accepts eagerly. Capped by somaxconn.
 */
const backlog = 4_096

/** How long to wait at most for the end of a flood, in milliseconds. */
const longestDrainMs = 250

/** The listening socket. Every connection arrives unread, since its bytes belong to the worker. */
export class Listener {
  #server: Server = createServer()
  readonly #native: NativeModule | undefined
  #acceptor: NativeAcceptor | undefined
  readonly #dispatcher: Pick<Dispatcher, 'accept'>
  readonly #log: Logger
  readonly #closed = new AbortController()
  #accepted = 0

  /** @param native - accepts the connections; without it, Node does */
  constructor(dispatcher: Pick<Dispatcher, 'accept'>, log: Logger, native?: NativeModule) {
    this.#dispatcher = dispatcher
    this.#log = log
    this.#native = native
  }

  /** Where it listens; undefined before and after. */
  get endpoint(): Endpoint | undefined {
    const address = this.#server.address()
    return address === null ? undefined : endpointOf(address)
  }

  /**
   * Binds and listens.
   *
   * @throws HelloserverError as `listenFailure` states, or `STOPPING` when it is closed before it has bound
   */
  async listen(endpoint: TcpEndpoint): Promise<void> {
    let address: string | undefined
    try {
      address = await resolveHost(endpoint.host, this.#closed.signal)
      await this.#bind(address, endpoint.port)
    } catch (error) {
      throw this.#closed.signal.aborted ? stopping() : listenFailure(error, endpoint, address)
    }
    this.#accept()
  }

  async #bind(host: string, port: number): Promise<void> {
    this.#closed.signal.throwIfAborted()
    await once(this.#server.listen({ host, port, backlog, exclusive: true }), 'listening')
    if (this.#native !== undefined) await this.#listenAgain(this.#native)
  }

  /** Node can stop accepting only on a socket that it has not bound itself. */
  async #listenAgain(native: NativeModule): Promise<void> {
    const bound = this.#server
    const fd = native.duplicate(listeningHandle(bound).fd)
    const given = createServer()
    await once(given.listen({ fd, backlog, exclusive: true }), 'listening')
    bound.close()
    this.#server = given
  }

  /** Listens on a socket that another process has passed on. */
  async adopt(handle: ListeningHandle): Promise<void> {
    await listenOn(this.#server, handle, backlog)
    this.#accept()
  }

  /**
   * Listens on a socket that this process was given, bound and perhaps listening already.
   *
   * @throws HelloserverError `BAD_CONFIG` when the descriptor is not a TCP socket that can listen
   */
  async adoptFd(fd: number): Promise<void> {
    try {
      await once(this.#server.listen({ fd, backlog, exclusive: true }), 'listening')
    } catch (error) {
      throw new HelloserverError(
        'BAD_CONFIG',
        `Cannot listen on the inherited descriptor ${fd}: ${messageOf(error)}; it must be a TCP socket`,
        { cause: error },
      )
    }
    if (this.endpoint?.port === undefined) {
      throw new HelloserverError(
        'BAD_CONFIG',
        `Cannot listen on the inherited descriptor ${fd}: it must be a TCP socket`,
      )
    }
    this.#accept()
  }

  /** The handle for passing the socket to another process: it stays open as long as one of them has it. */
  get handle(): ListeningHandle {
    return listeningHandle(this.#server)
  }

  /**
   * Resolves when no connection waits to be accepted, since closing a listening socket resets those. Node
   * accepts one connection in each turn of its event loop, so a turn without one has found none.
   */
  async drained(): Promise<void> {
    const untilMs = performance.now() + longestDrainMs
    // The current turn may have looked already.
    await nextTurn()
    for (let before = -1; before !== this.#accepted && performance.now() < untilMs; ) {
      before = this.#accepted
      await nextTurn()
    }
  }

  /** Stops accepting; accepted connections are not affected. */
  close(): void {
    this.#closed.abort()
    this.#acceptor?.close()
    this.#acceptor = undefined
    this.#server.close()
  }

  #accept(): void {
    const onHandle = (handle: SocketHandle) => {
      this.#accepted += 1
      this.#dispatcher.accept(handle)
    }
    const onError = (error: unknown) => this.#log.error({ error }, 'Cannot accept a connection')
    if (this.#native === undefined) acceptHandles(this.#server, onHandle, onError)
    else {
      const handle = listeningHandle(this.#server)
      this.#acceptor = new NativeAcceptor(this.#native, handle, onHandle, (errno) =>
        onError(new Error(`accept ${getSystemErrorName(errno)}`)),
      )
    }
  }
}

/** Why the service cannot listen at an address: `ADDRESS_ABSENT`, `ADDRESS_TAKEN` or `BAD_CONFIG`. */
export function listenFailure(
  error: unknown,
  endpoint: TcpEndpoint,
  address?: string,
): HelloserverError {
  const names = {
    what: 'Cannot listen on',
    setting: variables.host,
    portSetting: variables.port,
  }
  return bindFailure(error, endpoint, names, address)
}
