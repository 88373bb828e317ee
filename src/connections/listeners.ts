import {
  areExclusive,
  type BoundEndpoint,
  type Endpoint,
  endpointText,
  isBoundAt,
  type TcpEndpoint,
} from '../endpoint.ts'
import { codeOf, HelloserverError } from '../errors.ts'
import type { BoundListener, ListeningHandle } from '../ipc/socket-handle.ts'
import { namingPortHolder } from '../lock/port-taken.ts'
import type { AddressMove } from '../network/address-move.ts'
import type { NativeModule } from '../native/native.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Dispatcher } from './dispatcher.ts'
import { Listener } from './listener.ts'

/** The listening socket; two while a reload moves the service to another address. */
export class Listeners {
  readonly #dispatcher: Pick<Dispatcher, 'accept'>
  readonly #log: Logger
  readonly #native: NativeModule | undefined
  readonly #listeners = new Set<Listener>()
  #current: Listener | undefined
  /** The socket belongs to a service manager, which keeps it open while this process does not run. */
  #isGiven = false
  /** The endpoint that the socket was bound for. */
  #endpoint: Endpoint | undefined

  /** @param native - accepts the connections; without it, Node does */
  constructor(dispatcher: Pick<Dispatcher, 'accept'>, log: Logger, native?: NativeModule) {
    this.#dispatcher = dispatcher
    this.#log = log
    this.#native = native
  }

  /** Where the service listens; undefined before and after. */
  get endpoint(): Endpoint | undefined {
    return this.#current?.endpoint
  }

  /** Binds the first address. Throws as `Listener.listen` does. */
  async listen(endpoint: TcpEndpoint): Promise<void> {
    this.#current = await this.#add((listener) => listener.listen(endpoint))
    this.#endpoint = endpoint
  }

  /** Listens on a descriptor that this process was given for `endpoint`. Throws as `Listener.adoptFd` does. */
  async adoptFd(fd: number, endpoint: Endpoint): Promise<void> {
    this.#isGiven = true
    this.#current = await this.#add((listener) => listener.adoptFd(fd))
    this.#endpoint = endpoint
  }

  /** Listens on a socket that another process has bound for `endpoint`. */
  async adopt(handle: ListeningHandle, endpoint: Endpoint): Promise<void> {
    this.#current = await this.#add((listener) => listener.adopt(handle))
    this.#endpoint = endpoint
  }

  /**
   * The listening socket for another process, and the endpoint that it was bound for; undefined when there is none.
   */
  get bound(): BoundListener | undefined {
    const endpoint = this.#bound
    if (this.#current === undefined || endpoint === undefined) return undefined
    return { handle: this.#current.handle, ...endpoint }
  }

  /**
   * Binds `endpoint` if that is another address; connections to either are then served. A reload calls this instead
   * of an `apply`, before it brings up workers: binding can fail, and must then be undone.
   *
   * @throws HelloserverError as `Listener.listen` does; nothing has changed then
   */
  async move(endpoint: TcpEndpoint): Promise<AddressMove> {
    if (this.#isGiven) this.#mustStay(endpoint)
    const old = this.#current
    // The service may begin to listen at the old address before it has the new configuration.
    if (old === undefined) {
      return {
        finish: async () => {
          if (this.#current !== undefined) await (await this.move(endpoint)).finish()
        },
        cancel: async () => {},
      }
    }
    if (this.#isHere(endpoint)) {
      return {
        finish: async () => {
          this.#endpoint = endpoint
        },
        cancel: async () => {},
      }
    }
    const next = await this.#add((listener) => listener.listen(endpoint)).catch(
      (error: unknown) => {
        throw this.#explain(error, endpoint)
      },
    )
    return {
      finish: async () => {
        this.#current = next
        this.#endpoint = endpoint
        await this.#finish(old)
      },
      cancel: () => this.#finish(next),
    }
  }

  /**
   * Why no process can listen at `endpoint` while this one listens, in a sentence; undefined when one can, or
   * when it is the same address.
   */
  conflictWith(endpoint: Endpoint): string | undefined {
    const own = this.endpoint
    if (own === undefined || this.#isHere(endpoint) || !areExclusive(own, endpoint))
      return undefined
    return `no process can listen on ${endpointText(endpoint)} while this service listens on ${endpointText(own)}`
  }

  /** Accepts the clients that have connected by now, then stops. */
  async finish(): Promise<void> {
    await Promise.all([...this.#listeners].map((listener) => this.#finish(listener)))
  }

  /** Stops accepting at every address; accepted connections are not affected. */
  close(): void {
    for (const listener of this.#listeners) this.#close(listener)
  }

  async #add(bind: (listener: Listener) => Promise<void>): Promise<Listener> {
    const listener = new Listener(this.#dispatcher, this.#log, this.#native)
    this.#listeners.add(listener)
    try {
      await bind(listener)
      return listener
    } catch (error) {
      this.#listeners.delete(listener)
      throw namingPortHolder(error)
    }
  }

  async #finish(listener: Listener): Promise<void> {
    await listener.drained()
    this.#close(listener)
  }

  #close(listener: Listener): void {
    if (this.#current === listener) this.#current = undefined
    if (this.#listeners.delete(listener)) listener.close()
  }

  get #bound(): BoundEndpoint | undefined {
    const endpoint = this.#endpoint
    if (endpoint === undefined || endpoint.path !== undefined) return endpoint
    const boundPort = this.endpoint?.port
    return boundPort === undefined ? undefined : { ...endpoint, boundPort }
  }

  /** With port 0, the service keeps the free port that it got; naming that port is no change either. */
  #isHere(endpoint: Endpoint): boolean {
    const bound = this.#bound
    return bound !== undefined && isBoundAt(bound, endpoint)
  }

  #mustStay(endpoint: TcpEndpoint): void {
    for (const key of ['host', 'port'] as const) {
      const from = this.#endpoint?.[key]
      if (from === endpoint[key]) continue
      throw new HelloserverError(
        'RELOAD_FAILED',
        `The ${key} cannot change from ${from} to ${endpoint[key]}: the service manager has bound the socket; change the address there`,
      )
    }
  }

  /** The system lets no process, not even the same one, listen on a port both for one address and for all of them. */
  #explain(error: unknown, endpoint: TcpEndpoint): unknown {
    const own = this.endpoint
    if (codeOf(error) !== 'ADDRESS_TAKEN' || own?.port !== endpoint.port) return error
    return new HelloserverError(
      'ADDRESS_TAKEN',
      `Cannot listen on ${endpointText(endpoint)} while this service listens on ${endpointText(own)}; change the port too, or use "helloserver restart"`,
      { cause: error },
    )
  }
}
