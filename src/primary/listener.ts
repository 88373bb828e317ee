import { createServer, type AddressInfo, type Server } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { endpointText } from '../endpoint.ts'
import { codeOf, HelloserverError, messageOf, stopping } from '../errors.ts'
import {
  acceptHandles,
  type ListeningHandle,
  listeningHandle,
  listenOn,
  type SocketHandle,
} from '../ipc/socket-handle.ts'
import type { Logger } from '../telemetry/logger.ts'

/** The kernel's own queue in front of ours; it is short-lived, since Node accepts eagerly. Capped by somaxconn. */
const backlog = 4_096

/** Under a flood that never lets up, nobody waits longer for its end; in milliseconds. */
const longestDrainMs = 250

/** The listening socket. Every connection arrives unread, so that its bytes stay the worker's. */
export class Listener {
  readonly #server: Server = createServer()
  readonly #onConnection: (handle: SocketHandle) => void
  readonly #log: Logger
  #accepted = 0

  constructor(onConnection: (handle: SocketHandle) => void, log: Logger) {
    this.#onConnection = onConnection
    this.#log = log
  }

  /** Where it listens; undefined before and after. */
  get address(): AddressInfo | undefined {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address : undefined
  }

  /**
   * Binds and listens.
   *
   * @throws HelloserverError `ADDRESS_TAKEN`, `BAD_CONFIG` for an address that this host cannot have, or
   * `BOOT_FAILED`, also when it is closed before it has bound
   */
  async listen(host: string, port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const onError = (error: Error) => reject(explain(error, host, port))
      // Closed while the name is looked up, Node never listens, and never says so.
      const onClose = () => reject(stopping())
      this.#server.once('error', onError).once('close', onClose)
      this.#server.listen({ host, port, backlog, exclusive: true }, () => {
        this.#server.removeListener('error', onError).removeListener('close', onClose)
        resolve()
      })
    })
    this.#accept()
  }

  /** Goes on listening on a socket that another process has passed on. */
  async adopt(handle: ListeningHandle): Promise<void> {
    await listenOn(this.#server, handle, backlog)
    this.#accept()
  }

  /**
   * Listens on a socket that this process was given, bound and perhaps listening already.
   *
   * @throws HelloserverError `BAD_CONFIG` for a descriptor that is no TCP socket to listen on
   */
  async adoptFd(fd: number): Promise<void> {
    try {
      await new Promise<void>((resolve, reject) => {
        this.#server.once('error', reject)
        this.#server.listen({ fd, backlog, exclusive: true }, () => {
          this.#server.removeListener('error', reject)
          resolve()
        })
      })
    } catch (error) {
      throw new HelloserverError(
        'BAD_CONFIG',
        `Cannot listen on the inherited descriptor ${fd}: ${messageOf(error)}; it must be a TCP socket`,
        { cause: error },
      )
    }
    if (this.address === undefined) {
      throw new HelloserverError(
        'BAD_CONFIG',
        `Cannot listen on the inherited descriptor ${fd}: it must be a TCP socket`,
      )
    }
    this.#accept()
  }

  /** What passes the socket on to another process: it is open as long as one of them has it. */
  get handle(): ListeningHandle {
    return listeningHandle(this.#server)
  }

  /**
   * Resolves when nobody waits to be accepted: closing a listening socket resets those who do. Node accepts
   * one connection in each turn of its event loop, so that a turn without one has found none.
   */
  async drained(): Promise<void> {
    const untilMs = performance.now() + longestDrainMs
    // The turn that is under way may have looked already.
    await nextTurn()
    for (let before = -1; before !== this.#accepted && performance.now() < untilMs; ) {
      before = this.#accepted
      await nextTurn()
    }
  }

  /** Stops to accept; what was accepted is not touched. */
  close(): void {
    this.#server.close()
  }

  #accept(): void {
    acceptHandles(
      this.#server,
      (handle) => {
        this.#accepted += 1
        this.#onConnection(handle)
      },
      (error) => this.#log.error({ error }, 'Cannot accept a connection'),
    )
  }
}

function explain(error: Error, host: string, port: number): HelloserverError {
  const where = endpointText({ host, port })
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return new HelloserverError(
        'ADDRESS_TAKEN',
        `Cannot listen on ${where}: another program has it; stop that one, or set HELLOSERVER_PORT`,
        { cause: error },
      )
    case 'EACCES':
      return new HelloserverError(
        'ADDRESS_TAKEN',
        `Cannot listen on ${where}: this user may not; use a port above 1023, or run with CAP_NET_BIND_SERVICE`,
        { cause: error },
      )
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new HelloserverError(
        'BAD_CONFIG',
        `Cannot listen on ${where}: this host has no such address; set HELLOSERVER_HOST`,
        { cause: error },
      )
    default:
      return new HelloserverError(
        'ADDRESS_TAKEN',
        `Cannot listen on ${where}: ${messageOf(error)}`,
        {
          cause: error,
        },
      )
  }
}
