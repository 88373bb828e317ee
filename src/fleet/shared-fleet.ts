import { setTimeout as delay } from 'node:timers/promises'
import { messageOf } from '../errors.ts'
import type { Status } from '../status.ts'
import { StoreError } from '../store-error.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Change, Fleet, FleetOperations, FleetSettings } from './fleet.ts'
import type { FleetStatus, Purpose } from './fleet-status.ts'
import type { FleetStore, Member } from './fleet-store.ts'
import { Permits } from './permits.ts'
import { Registration } from './registration.ts'
import { RolloutGuard } from './rollout-guard.ts'

export interface SharedFleetOptions extends Member, FleetSettings {
  readonly log: Logger
}

/** How long a start waits for the store, in milliseconds. */
const readyWithinMs = 500
/** The time limit for announcing that this host has stopped, and the pause between attempts, in milliseconds. */
const leaveWithinMs = 300
const retryMs = 50

/** The hosts that share a store. */
export class SharedFleet implements Fleet {
  readonly operations: FleetOperations
  readonly #options: SharedFleetOptions
  readonly #store: FleetStore
  readonly #registration: Registration
  readonly #permits: Permits
  readonly #guard: RolloutGuard
  #returnMs: number
  /** The end of this host's membership, which is announced at most once. */
  #departure: Promise<void> | undefined

  constructor(store: FleetStore, options: SharedFleetOptions) {
    const { host, log } = options
    this.#options = options
    this.#returnMs = options.returnMs
    this.#store = store
    this.operations = store
    this.#registration = new Registration(store, options, () => this.#permits.held, log)
    this.#permits = new Permits(store, options, this.#registration, log)
    this.#guard = new RolloutGuard(store, host, log)
  }

  get status(): FleetStatus {
    const { host } = this.#options
    return { host, waiting: this.#permits.status, reason: this.#registration.reason }
  }

  apply({ returnMs }: FleetSettings): void {
    this.#returnMs = returnMs
  }

  async join(status: () => Status): Promise<void> {
    // The first heartbeat reports that the store cannot be reached.
    await this.#store.ready(readyWithinMs).catch(() => {})
    await this.#registration.start(status)
  }

  markReady(status: () => Status): void {
    this.#registration.markReady(status)
    // The build has become ready, whatever started it.
    void this.#guard.succeeded(status().build)
  }

  changed(): void {
    this.#registration.report()
  }

  async mayStop(cause: string, force: boolean): Promise<void> {
    // A host that is already down takes nothing more from the fleet.
    if (!this.#registration.isUp) return
    if (force) this.#skip('stopping', cause)
    await this.#permits.acquire('stopping')
  }

  escalate(purpose: Purpose, cause: string): boolean {
    const isSkipped = this.#permits.escalate(purpose, cause)
    if (isSkipped)
      this.#options.log.warn(
        { cause },
        'Going down without a permit: an operator asked a second time',
      )
    return isSkipped
  }

  async mayDeploy({ build, isReduction, force }: Change): Promise<void> {
    if (build !== undefined) await this.#guard.check(build)
    if (!isReduction) return
    if (force) this.#skip('reloading', 'a reload')
    await this.#permits.acquire('reloading')
    try {
      // Another host may have tried the build during the wait.
      if (build !== undefined) await this.#guard.check(build)
    } catch (error) {
      this.#permits.end('reloading')
      throw error
    }
  }

  async deployed({ build, isReduction }: Change): Promise<void> {
    if (isReduction) this.#permits.end('reloading')
    // In an upgrade, the successor reports this, and this process may end at any moment.
    const isService = this.#departure === undefined
    if (build !== undefined && isService) await this.#guard.succeeded(build)
  }

  async notDeployed({ build, isReduction }: Change, error: unknown): Promise<void> {
    if (isReduction) this.#permits.end('reloading')
    if (build !== undefined) await this.#guard.failed(build, error)
  }

  async leave(): Promise<void> {
    this.#departure ??= this.#depart(this.#returnMs)
    await this.#departure
  }

  async fail(): Promise<void> {
    // The entry may belong to the process that this one was to succeed.
    if (!this.#registration.isStarted) return
    this.#departure ??= this.#depart('ever')
    await this.#departure
  }

  stop(): void {
    this.#registration.stop()
    this.#permits.giveUp()
    this.#departure = Promise.resolve()
  }

  #skip(purpose: Purpose, cause: string): void {
    this.#options.log.warn({ cause }, 'Going down without a permit, as --force asks')
    this.#permits.skip(purpose, 'force')
  }

  async #depart(returnMs: number | 'ever'): Promise<void> {
    this.#registration.stop()
    const untilMs = performance.now() + leaveWithinMs
    for (;;) {
      try {
        await this.#store.leave(this.#options, returnMs)
        break
      } catch (error) {
        if (!(error instanceof StoreError)) throw error
        if (performance.now() > untilMs) {
          this.#options.log.warn(
            { reason: messageOf(error) },
            'Could not tell the fleet that this host has stopped; the other hosts will consider it dead',
          )
          break
        }
        await delay(retryMs)
      }
    }
    this.#store.close()
  }
}
