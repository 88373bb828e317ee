import type { Keeping } from '../connections/connections.ts'
import type { Kept } from '../files/keeper.ts'
import type { NativeModule } from '../native/native.ts'
import { Lifeline } from '../rescue/lifeline.ts'
import type { Rescued } from '../rescue/rescue.ts'
import { type Notes, rescueProtocol } from '../rescue/rescue-messages.ts'
import { idGap } from '../upgrade/upgrade.ts'
import type { Service } from './service.ts'

/**
 * How a service goes on when its primary is killed: what this process keeps for the next one, and what it has found of
 * the one before. Only a service with the native hand-off does.
 */
export class Continuity {
  readonly #service: Service
  readonly #lifeline: Lifeline | undefined
  /** What is left of a primary that was killed. */
  readonly rescued: Rescued | undefined
  #lost = 0

  /** @throws HelloserverError `BOOT_FAILED` when the system gives no memory, descriptors or socket */
  constructor(service: Service, native: NativeModule | undefined, rescued: Rescued | undefined) {
    this.#service = service
    this.rescued = rescued
    if (native === undefined) return
    const lifeline = new Lifeline(native, service.files, rescued?.queue)
    service.stack.push('socket of the workers', () => lifeline.forget())
    this.#lifeline = lifeline
  }

  /** Its file, which others may take away. */
  get kept(): readonly Kept[] {
    return this.#lifeline === undefined ? [] : [this.#lifeline.kept]
  }

  get keeping(): Keeping | undefined {
    const lifeline = this.#lifeline
    return lifeline && { lifeline, notes: () => this.#notes() }
  }

  /** Takes charge of what a primary that was killed had counted and handed off. */
  resume(): void {
    if (this.rescued !== undefined)
      this.#lost = this.#service.connections.continueAfter(this.rescued)
  }

  /** The next primary finds the workers of this one from now on; those of one that was killed retire. */
  publish(): void {
    this.#lifeline?.publish()
    if (this.rescued === undefined) return
    const { pool, config, events } = this.#service
    const { pid: deadPid } = this.rescued.notes
    this.rescued.release()
    pool.retireOrphans(config)
    events.record('primary-replaced', { deadPid, lost: this.#lost })
  }

  /** The start has failed: the next attempt may need the workers of the primary that was killed. */
  abandon(): void {
    this.rescued?.orphans.leave()
  }

  /** The service ends in good order. */
  end(): void {
    this.#lifeline?.remove()
  }

  #notes(): Notes {
    const { connections, pool, leadership, events, identity } = this.#service
    return {
      protocol: rescueProtocol,
      pid: process.pid,
      endpoints: connections.listeners.endpoints.all.map(({ settings }) => settings),
      hold: leadership.lease.hold,
      figures: connections.stats.totals,
      events: events.since(0),
      generation: pool.lastGeneration,
      instance: identity.instance,
      lastConnectionId: connections.dispatcher.lastId + idGap,
    }
  }
}
