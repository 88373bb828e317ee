import type { ServedEndpoint } from '../ipc/worker-messages.ts'
import type { TlsMaterial } from '../tls/tls-material.ts'
import { handshakeFailed, NodeTlsDoor, type TlsDoor } from './tls-door.ts'

/** An endpoint, as a worker serves it. */
export interface Entrance {
  /** Of a Unix socket. */
  readonly path: string | undefined
  readonly door: TlsDoor | undefined
  readonly beginsWithTls: boolean
  /** Its connections begin with a PROXY header. */
  readonly isProxied: boolean
}

/** The endpoints that connections may come from, by the number that comes with a connection. */
export class Entrances {
  readonly #all: Entrance[] = []

  constructor(endpoints: readonly ServedEndpoint[]) {
    this.learn(endpoints)
  }

  /** Undefined for one of which this process has yet to be told. */
  at(number: number): Entrance | undefined {
    return this.#all[number]
  }

  /** Adds those that are new; the others stay as they are. */
  learn(endpoints: readonly ServedEndpoint[]): void {
    for (const { settings, tls } of endpoints.slice(this.#all.length)) {
      this.#all.push({
        path: settings.endpoint.path,
        door: settings.tls === undefined ? undefined : doorOf(tls),
        beginsWithTls: settings.tls?.start === 'accept',
        isProxied: settings.proxyProtocol !== undefined,
      })
    }
  }
}

/** Never in the clear: without the keys, nobody is served. */
const closedDoor: TlsDoor = {
  secure: () => Promise.reject(handshakeFailed('the keys of the endpoint are not known any more')),
}

const doorOf = (tls: TlsMaterial | null) => (tls === null ? closedDoor : new NodeTlsDoor(tls))
