import { stat } from 'node:fs/promises'
import { deferred } from '../async/deferred.ts'
import type { Offer } from '../upgrade/predecessor.ts'
import { Inheritance } from './inheritance.ts'
import type { Service } from './service.ts'
import type { Origin } from './service-options.ts'

/** The start of a service, which comes once: from nothing, or by taking over from another process. */
export class Start {
  readonly #service: Service
  readonly #origin: Origin
  readonly #done = deferred<void>()

  constructor(service: Service, origin: Origin) {
    this.#service = service
    this.#origin = origin
  }

  /** Resolves when the start is complete, and reloads may run. */
  get done(): Promise<void> {
    return this.#done.promise
  }

  /**
   * Brings the workers up, then binds: no client can connect before a worker can answer. Resolves when the
   * service can be found, and serves or stands by because another host serves or this one does not have its address
   * yet.
   *
   * @throws HelloserverError `BOOT_FAILED`, `ADDRESS_TAKEN`, `BAD_CONFIG` or `STOPPING`; what is on the cleanup stack
   * is left to the caller
   */
  async run(): Promise<void> {
    const service = this.#service
    try {
      if (this.#origin.kind === 'start') await this.#startAfresh()
      else await this.#takeOver(this.#origin)
      service.fleet.markReady(() => service.status())
      service.announcements.ready()
    } catch (error) {
      await this.#abandon()
      throw error
    }
  }

  async #startAfresh(): Promise<void> {
    const service = this.#service
    const { publicFiles, admin, fleet, connections } = service
    service.continuity.resume()
    await publicFiles.openControl()
    await admin.open(service.config)
    // From here on, the start can be watched and stopped.
    publicFiles.publishControl()
    await fleet.join(() => service.status())
    await this.#bootWorkers()
    const { rescued } = service.continuity
    await this.#beginToServe(
      rescued && { listeners: rescued.listeners, hold: rescued.notes.hold, isOfDead: true },
    )
    service.continuity.publish()
    connections.listeners.own()
    publicFiles.writePidFile()
  }

  /** The successor's side of an upgrade; the other one is `Upgrade.run`. */
  async #takeOver({ predecessor, state }: Origin & { readonly kind: 'upgrade' }): Promise<void> {
    const service = this.#service
    const { publicFiles, reloads, control, admin, connections } = service
    await admin.prepare(service.config)
    await this.#bootWorkers()
    const { lock, listeners } = await predecessor.equipment()
    await publicFiles.adoptLock(lock)
    await publicFiles.openControl()
    const hold = await predecessor.go()
    // From the adoption of the listening socket to the end of `run`, everything happens in one turn: no connection
    // is accepted before the predecessor is told, and so none is lost if this process dies on the way.
    reloads.conclude(state.upgradeBeganAtMs)
    await this.#beginToServe({ listeners, hold })
    publicFiles.writePidFile()
    if (predecessor.isBridgeExpected) control.supervisor.expectNext()
    publicFiles.publishControl()
    service.continuity.publish()
    predecessor.announceServing(new Inheritance(service))
    connections.listeners.own()
    admin.takeOver(service.config)
  }

  async #bootWorkers(): Promise<void> {
    const service = this.#service
    // Node.js aborts when it cannot create its thread pool at the first use: under a limit of processes,
    // better now than later.
    await stat('/')
    await service.pool.boot(service.config)
    service.onWorkersReady()
  }

  /** @param offer - what a predecessor passes on */
  async #beginToServe(offer?: Offer): Promise<void> {
    const { pool, leadership, connections, recycler } = this.#service
    pool.serve()
    await leadership.begin(offer)
    this.#done.resolve()
    connections.watch()
    recycler.start()
  }

  async #abandon(): Promise<void> {
    const { connections, ending, fleet, control, continuity } = this.#service
    // Unless a person has stopped the service.
    if (!ending.isUnderWay) continuity.abandon()
    // In the same turn: clients that connect from now on belong to the predecessor. And a stop during the binding has
    // closed the listeners too early.
    connections.listeners.close()
    this.#service.lifecycle.move('abort', 'the start failed')
    await ending.cut('the start failed')
    await fleet.fail()
    // A stop that was requested during the start must be answered too.
    if (ending.isUnderWay) await ending.ended
    await control.farewell()
  }
}
