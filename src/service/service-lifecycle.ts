import { HelloserverError, handedOver, stopping } from '../errors.ts'
import { Machine } from '../lifecycle/machine.ts'
import {
  type PrimaryEvent,
  type PrimaryState,
  primaryTransitions,
} from '../lifecycle/primary-states.ts'
import type { Service } from './service.ts'

/** What a move of the state is told to, and the process that may be the service instead. */
type Told = Pick<Service, 'events' | 'fleet' | 'log' | 'upgrades'>

/** The state of the service, and what may be done in it. */
export class ServiceLifecycle {
  readonly #service: Told
  readonly #machine = new Machine<PrimaryState, PrimaryEvent>(
    primaryTransitions,
    'starting',
    (from, event, to, cause) => this.#moved(from, event, to, cause),
  )

  constructor(service: Told) {
    this.#service = service
  }

  get state(): PrimaryState {
    return this.#machine.state
  }

  /** Whether the service neither starts nor ends. */
  get isRunning(): boolean {
    return this.state === 'serving' || this.state === 'standby'
  }

  /** Moves the state, which nothing else writes. @throws HelloserverError `ILLEGAL_MOVE` when its table has no such move */
  apply(event: PrimaryEvent): void {
    this.#machine.apply(event)
  }

  /** Moves the state if its table has such a move; returns whether it has. */
  move(event: PrimaryEvent, cause: string): boolean {
    if (!this.#machine.accepts(event)) return false
    this.#machine.apply(event, cause)
    return true
  }

  /**
   * @param what - the operation that was requested
   * @throws HelloserverError `CONTROL_FAILED` when the service starts or ends; `HANDED_OVER` when another process is
   * the service
   */
  mustRun(what: string): void {
    if (this.isRunning) return
    this.mustBeTheService()
    throw new HelloserverError(
      'CONTROL_FAILED',
      `Cannot ${what} while the service is ${this.state}`,
    )
  }

  /**
   * For an operation that has begun.
   *
   * @throws HelloserverError `STOPPING` when the service has begun to end since; `HANDED_OVER` as `mustRun`
   */
  mustRunStill(): void {
    if (this.isRunning) return
    this.mustBeTheService()
    throw stopping()
  }

  /** @throws HelloserverError `HANDED_OVER` when another process is the service */
  mustBeTheService(): void {
    const { successorPid } = this.#service.upgrades
    if (successorPid !== undefined) throw handedOver(successorPid)
  }

  #moved(from: PrimaryState, event: PrimaryEvent, to: PrimaryState, cause?: string): void {
    const { events, fleet, log, upgrades } = this.#service
    fleet.changed()
    // After an upgrade, this process ends, not the service.
    if (to === 'draining' && upgrades.successorPid === undefined) {
      events.record('draining', { cause: cause ?? event })
    } else {
      log.info({ from, event, to, cause }, `Now ${to}`)
    }
  }
}
