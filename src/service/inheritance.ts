import type { SocketHandle } from '../ipc/socket-handle.ts'
import type { PredecessorListener } from '../upgrade/predecessor.ts'
import type { PassedConnection, Tally } from '../upgrade/upgrade-messages.ts'
import type { Service } from './service.ts'

/** What a predecessor still passes on and reports after this process has become the service. */
export class Inheritance implements PredecessorListener {
  readonly #service: Service

  constructor(service: Service) {
    this.#service = service
  }

  onConnection(handle: SocketHandle, passed: PassedConnection): void {
    const { connections, config, upgrades } = this.#service
    const { id, ageMs, settings = config.listen[0], preface } = passed
    if (settings === undefined) return
    const read = preface === undefined ? undefined : Buffer.from(preface, 'base64')
    connections.adopt({ handle, id, ageMs, settings, preface: read })
    upgrades.onAdopted()
  }

  onTally({ counts, figures, events }: Tally): void {
    const service = this.#service
    service.connections.inherit(counts, figures)
    for (const event of events) service.events.adopt(event)
    service.onClosed()
  }

  onGone(): void {
    this.#service.connections.writeOff()
    this.#service.onClosed()
  }
}
