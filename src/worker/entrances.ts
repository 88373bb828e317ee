import type { ServedEndpoint } from '../ipc/worker-messages.ts'
import { NodeTlsDoor, type TlsDoor } from './tls-door.ts'

/** An endpoint, as a worker serves it. */
export interface Entrance {
  /** Of a Unix socket. */
  readonly path: string | undefined
  readonly door: TlsDoor | undefined
  readonly beginsWithTls: boolean
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
        door: tls === null ? undefined : new NodeTlsDoor(tls),
        beginsWithTls: tls?.start === 'accept',
      })
    }
  }
}
