import type { AddressInfo } from 'node:net'
import type { Config } from '../config/load.ts'
import { codeOf, HelloserverError } from '../errors.ts'
import type { SocketHandle } from '../ipc/socket-handle.ts'
import type { Logger } from '../telemetry/logger.ts'
import { Listener } from './listener.ts'

/** Where to listen, as it is configured. */
export type Place = Pick<Config, 'host' | 'port'>

/** A change of the address that is under way; it ends in one of the two. */
export interface Move {
  /** Lets go of the old address. */
  finish(): void
  /** Lets go of the new one. */
  cancel(): void
}

/** The listening socket: one, and while a reload moves the service to another address, two. */
export class Listeners {
  readonly #onConnection: (handle: SocketHandle) => void
  readonly #log: Logger
  readonly #open = new Set<Listener>()
  #current: Listener | undefined
  #place: Place | undefined

  constructor(onConnection: (handle: SocketHandle) => void, log: Logger) {
    this.#onConnection = onConnection
    this.#log = log
  }

  /** Where the service listens; undefined before and after. */
  get address(): AddressInfo | undefined {
    return this.#current?.address
  }

  /** Binds the first address. Throws as `Listener.listen` does. */
  async listen(place: Place): Promise<void> {
    this.#current = await this.#bind(place)
    this.#place = place
  }

  /**
   * Binds another address, when `place` is one; what either accepts from now on is served.
   *
   * @throws HelloserverError as `Listener.listen` does; nothing has changed then
   */
  async move(place: Place): Promise<Move> {
    if (this.#isHere(place)) return { finish: () => this.#settle(place), cancel: () => {} }
    const old = this.#current
    const next = await this.#bind(place).catch((error: unknown) => {
      throw this.#explain(error, place)
    })
    return {
      finish: () => {
        this.#current = next
        this.#settle(place)
        if (old !== undefined) this.#close(old)
      },
      cancel: () => this.#close(next),
    }
  }

  /** Stops to accept, wherever it does; what was accepted is not touched. */
  close(): void {
    for (const listener of this.#open) this.#close(listener)
  }

  async #bind({ host, port }: Place): Promise<Listener> {
    const listener = new Listener(this.#onConnection, this.#log)
    this.#open.add(listener)
    try {
      await listener.listen(host, port)
      return listener
    } catch (error) {
      this.#open.delete(listener)
      throw error
    }
  }

  #close(listener: Listener): void {
    if (this.#open.delete(listener)) listener.close()
  }

  #settle(place: Place): void {
    this.#place = place
  }

  /** Port 0 stays the free port that it took; naming that one is no change either. */
  #isHere({ host, port }: Place): boolean {
    if (host !== this.#place?.host) return false
    return port === this.#place.port || port === this.address?.port
  }

  /** The system lets nobody listen on one port of an address and of all addresses, not even the same process. */
  #explain(error: unknown, { host, port }: Place): unknown {
    const own = this.address
    if (codeOf(error) !== 'ADDRESS_TAKEN' || own?.port !== port) return error
    return new HelloserverError(
      'ADDRESS_TAKEN',
      `Cannot listen on port ${port} on ${host} while this service has it on ${own.address}; change the port too, or use "helloserver restart"`,
      { cause: error },
    )
  }
}
