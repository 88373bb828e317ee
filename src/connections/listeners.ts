import type { ListenSettings } from '../config/listen.ts'
import {
  areExclusive,
  type Endpoint,
  endpointText,
  hasFile,
  isBoundAt,
  isSameEndpoint,
} from '../endpoint.ts'
import { codeOf, HelloserverError } from '../errors.ts'
import type { Kept } from '../files/keeper.ts'
import type { BoundListener } from '../ipc/socket-handle.ts'
import { namingPortHolder } from '../lock/port-taken.ts'
import type { AddressMove } from '../network/address-move.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Dispatcher } from './dispatcher.ts'
import { EndpointTable } from './endpoint-table.ts'
import type { GateSocket } from './gate.ts'
import { drained, Listener } from './listener.ts'
import type { NativeAccepting } from './native-acceptor.ts'
import { removeSocket } from './socket-file.ts'

/** The highest number of an endpoint that a worker's page has room for. */
const mostNumber = 65_535

/** A listening socket that this process has been given, and where the service is to listen with it. */
export type GivenSocket =
  /** Another process has bound it. */
  | { readonly kind: 'passed'; readonly bound: BoundListener }
  /** A service manager has bound it, and keeps it open while this process does not run. */
  | { readonly kind: 'inherited'; readonly fd: number; readonly endpoint: Endpoint }

/** The listening sockets of all endpoints; while a reload runs, of the old and the new ones. */
export class Listeners {
  /** The settings of every endpoint since the start, by which workers know where a connection has come from. */
  readonly endpoints: EndpointTable
  readonly #dispatcher: Pick<Dispatcher, 'accept'>
  readonly #log: Logger
  readonly #accepting: NativeAccepting | undefined
  readonly #open = new Set<Listener>()
  /** Those of the configuration that runs, in its order. */
  #current: readonly Listener[] = []

  readonly #onChange: () => void

  /**
   * @param accepting - accepts the connections; without it, Node does
   * @param onChange - called when the sockets or their settings change
   */
  constructor(
    dispatcher: Pick<Dispatcher, 'accept'>,
    log: Logger,
    accepting?: NativeAccepting,
    onChange: () => void = () => {},
    endpoints = new EndpointTable(),
  ) {
    this.endpoints = endpoints
    this.#onChange = onChange
    this.#dispatcher = dispatcher
    this.#log = log
    this.#accepting = accepting
  }

  /** Where the service listens, in the order of the configuration; empty before and after. */
  get actual(): readonly Endpoint[] {
    return this.#current.flatMap(({ endpoint }) => (endpoint === undefined ? [] : [endpoint]))
  }

  /** The files of the Unix sockets. */
  get kept(): readonly Kept[] {
    return this.#current.flatMap(({ kept }) => (kept === undefined ? [] : [kept]))
  }

  /** The listening sockets for another process. */
  get bound(): readonly BoundListener[] {
    return this.#current.flatMap(({ bound, handle }) =>
      bound === undefined ? [] : [{ handle, ...bound }],
    )
  }

  /** The same for the process that has to continue after this one was killed: a service manager gives it the others. */
  get left(): readonly BoundListener[] {
    return this.#current.flatMap(({ bound, handle, isGiven }) =>
      bound === undefined || isGiven ? [] : [{ handle, ...bound }],
    )
  }

  /**
   * The listening sockets in the order of `left`, if workers could accept from all of them as well as this process; else
   * none.
   */
  get gateSockets(): readonly GateSocket[] {
    const isPlain = this.#open.size === this.#current.length && [...this.#open].every(isPlainSocket)
    if (!isPlain) return []
    return this.#current.map(({ handle, settings }) => ({
      fd: handle.fd,
      endpoint: settings.number,
    }))
  }

  /**
   * Listens at every endpoint or, if that fails for one of them, at none: with the sockets that this process was given,
   * and with new ones for the other endpoints. Given sockets for other endpoints are closed.
   *
   * When all of them are given, everything happens in one turn.
   *
   * @throws HelloserverError as `Listener.listen` and `Listener.adoptFd` do
   */
  async listen(
    wanted: readonly ListenSettings[],
    given: readonly GivenSocket[] = [],
  ): Promise<void> {
    const unused = new Set(given)
    const all = wanted.map((settings) => {
      const socket = given.find((one) => unused.has(one) && isFor(one, settings.endpoint))
      if (socket !== undefined) unused.delete(socket)
      return { listener: this.#add(settings), socket }
    })
    try {
      await this.#bind(all.filter(({ socket }) => socket === undefined).map(listenerOf))
      for (const { listener, socket } of all) {
        if (socket?.kind === 'passed') await listener.adopt(socket.bound)
        else if (socket?.kind === 'inherited') await listener.adoptFd(socket.fd)
      }
    } catch (error) {
      this.#close(all.map(listenerOf))
      throw error
    }
    for (const socket of unused) discard(socket)
    this.#current = all.map(listenerOf)
    this.#onChange()
  }

  /** The sockets live on in another process, which removes the files of Unix sockets. */
  disown(): void {
    for (const listener of this.#open) listener.disown()
  }

  /** The sockets that another process has bound are this process's now: it closes them for good, and removes files. */
  own(): void {
    for (const listener of this.#open) listener.own()
  }

  /**
   * Binds the endpoints that are new; connections to the old and the new ones are then served. A reload calls this
   * instead of an `apply`, before it brings up workers: binding can fail, and must then be undone.
   *
   * @throws HelloserverError as `Listener.listen` does; nothing has changed then
   */
  async move(wanted: readonly ListenSettings[]): Promise<AddressMove> {
    // The service may begin to listen at the old endpoints before it has the new configuration.
    if (this.#current.length === 0) {
      return {
        finish: async () => {
          if (this.#current.length > 0) await (await this.move(wanted)).finish()
        },
        cancel: async () => {},
      }
    }
    const old = this.#current
    const next = wanted.map((settings): Place => {
      const kept = this.#at(settings.endpoint)
      const was = kept?.settings.settings
      return { listener: kept ?? this.#add(settings), was, settings }
    })
    const added = next.filter(({ was }) => was === undefined).map(listenerOf)
    const left = old.filter((listener) => !next.some((place) => place.listener === listener))
    try {
      for (const { isGiven, settings } of left) if (isGiven) throw cannotLeave(settings.settings)
      await this.#bind(added)
      permitAll(next)
    } catch (error) {
      this.#close(added)
      throw this.#explain(error, wanted)
    }
    // Workers are brought up before the move is finished, and must know the numbers by then.
    const numbered = next.map(({ settings }) => this.endpoints.numbered(settings))
    this.#onChange()
    return {
      finish: async () => {
        for (const [at, { listener }] of next.entries()) {
          const settings = numbered[at]
          if (settings !== undefined) listener.serveAs(settings)
        }
        this.#current = next.map(listenerOf)
        this.#onChange()
        await this.#finish(left)
        // Only now, no other socket is open.
        this.#onChange()
      },
      cancel: async () => {
        for (const place of next) permit(place, place.was)
        await this.#finish(added)
        this.#onChange()
      },
    }
  }

  /**
   * Why no process can listen at one of these endpoints while this one listens, in a sentence; undefined when one can,
   * or when it is where this one listens.
   */
  conflictWith(wanted: readonly ListenSettings[]): string | undefined {
    const conflict = this.#conflictWith(wanted)
    return conflict === undefined ? undefined : `no process can ${conflict}`
  }

  /** Accepts the clients that have connected by now, then stops. */
  async finish(): Promise<void> {
    await this.#finish([...this.#open])
  }

  /** Stops accepting at every endpoint; accepted connections are not affected. */
  close(): void {
    this.#close([...this.#open])
  }

  #add(settings: ListenSettings): Listener {
    const numbered = this.endpoints.numbered(settings)
    const listener = new Listener(numbered, this.#dispatcher, this.#log, this.#accepting)
    this.#open.add(listener)
    return listener
  }

  /** Binds all or none of these, and none of them accepts before all are bound. */
  async #bind(listeners: readonly Listener[]): Promise<void> {
    try {
      const binds = await Promise.all(listeners.map((listener) => listener.located()))
      const outcomes = await Promise.allSettled(binds.map((bind) => bind()))
      const failed = outcomes.find((outcome) => outcome.status === 'rejected')
      if (failed !== undefined) throw failed.reason
    } catch (error) {
      const conflict = codeOf(error) === 'ADDRESS_TAKEN' ? this.#ownConflict(listeners) : undefined
      this.#close(listeners)
      throw conflict ?? namingPortHolder(error)
    }
  }

  /** Two endpoints of this service that their texts do not tell to be for one address, as with a name and its address. */
  #ownConflict(listeners: readonly Listener[]): HelloserverError | undefined {
    for (const one of listeners) {
      for (const other of this.#open) {
        const [own, others] = [nameOf(one), nameOf(other)]
        if (own === others || !areExclusive(one.target, other.target)) continue
        return new HelloserverError(
          'ADDRESS_TAKEN',
          `Cannot listen on both ${own} and ${others}: they are for the same address; leave out one of them`,
        )
      }
    }
    return undefined
  }

  /** A client that connects between the last look and the close is reset: nothing else happens there. */
  async #finish(listeners: readonly Listener[]): Promise<void> {
    for (const listener of listeners) listener.hide()
    await drained(listeners)
    for (const listener of this.#forget(listeners)) {
      listener.acceptWaiting()
      listener.close()
    }
  }

  #close(listeners: readonly Listener[]): void {
    for (const listener of this.#forget(listeners)) listener.close()
  }

  /** Returns those of them that are still to be closed. */
  #forget(listeners: readonly Listener[]): Listener[] {
    const kept = this.#current.filter((one) => !listeners.includes(one))
    const isChanged = kept.length < this.#current.length
    this.#current = kept
    if (isChanged) this.#onChange()
    return listeners.filter((listener) => this.#open.delete(listener))
  }

  /** The listener that is already at an endpoint. With port 0, that is wherever it was bound for port 0. */
  #at(endpoint: Endpoint): Listener | undefined {
    return this.#current.find(({ bound }) => bound !== undefined && isBoundAt(bound, endpoint))
  }

  #conflictWith(wanted: readonly ListenSettings[]): string | undefined {
    for (const { endpoint } of wanted) {
      const rival = this.actual.find((own) => areExclusive(own, endpoint))
      if (rival === undefined || this.#at(endpoint) !== undefined) continue
      return `listen on ${endpointText(endpoint)} while this service listens on ${endpointText(rival)}`
    }
    return undefined
  }

  /** The system lets no process, not even the same one, listen on a port both for one address and for all of them. */
  #explain(error: unknown, wanted: readonly ListenSettings[]): unknown {
    const conflict = this.#conflictWith(wanted)
    if (codeOf(error) !== 'ADDRESS_TAKEN' || conflict === undefined) return error
    return new HelloserverError(
      'ADDRESS_TAKEN',
      `Cannot ${conflict}; change the port too, or use "helloserver restart"`,
      { cause: error },
    )
  }
}

/** An endpoint that a reload wants, its listener, and the settings that this had so far; undefined for a new one. */
interface Place {
  readonly listener: Listener
  readonly was: ListenSettings | undefined
  readonly settings: ListenSettings
}

function isPlainSocket({ isGiven, endpoint, settings }: Listener): boolean {
  const { proxyProtocol } = settings.settings
  const isNumbered = settings.number <= mostNumber
  return !isGiven && endpoint?.port !== undefined && proxyProtocol === undefined && isNumbered
}

/** The text by which people know an endpoint: that of the configuration, unless it leaves the port open. */
function nameOf({ settings, target }: Listener): string {
  const { endpoint } = settings.settings
  return endpointText(endpoint.port === 0 ? target : endpoint)
}

function listenerOf({ listener }: { readonly listener: Listener }): Listener {
  return listener
}

/** Gives the Unix sockets that stay the permissions of their new settings: all of them, or none. */
function permitAll(places: readonly Place[]): void {
  const done: Place[] = []
  try {
    for (const place of places) {
      permit(place, place.settings)
      done.push(place)
    }
  } catch (error) {
    for (const place of done) permit(place, place.was)
    throw error
  }
}

function permit({ listener, was, settings }: Place, to: ListenSettings | undefined): void {
  if (was === undefined || to?.file === undefined) return
  if (JSON.stringify(was.file) !== JSON.stringify(settings.file)) listener.permit(to.file)
}

/** Whether a given socket is for an endpoint of the configuration. */
export function isFor(socket: GivenSocket, wanted: Endpoint): boolean {
  return socket.kind === 'passed'
    ? isBoundAt(socket.bound, wanted)
    : isSameEndpoint(socket.endpoint, wanted)
}

/** Closes a socket that this process does not listen on; it was the last one to have it. */
export function discard(socket: GivenSocket): void {
  if (socket.kind !== 'passed') return
  const { bound } = socket
  bound.handle.close()
  if (bound.path !== undefined && hasFile(bound)) removeSocket(bound.path)
}

function cannotLeave({ endpoint }: ListenSettings): HelloserverError {
  return new HelloserverError(
    'RELOAD_FAILED',
    `The endpoint ${endpointText(endpoint)} cannot be changed or left out: the service manager has bound the socket; change the address there`,
  )
}
