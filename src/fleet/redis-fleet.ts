import { setTimeout as delay } from 'node:timers/promises'
import { messageOf } from '../errors.ts'
import { RedisError, type RedisLink } from '../redis/link.ts'
import type { Status } from '../status.ts'
import type { Logger } from '../telemetry/logger.ts'
import { FleetStore, type Member } from './fleet-store.ts'
import type { Change, Fleet, FleetDesk } from './fleet.ts'
import type { FleetStatus, Purpose } from './status.ts'
import { Permits } from './permits.ts'
import { Registry } from './registry.ts'
import { RolloutGuard } from './rollout-guard.ts'

export interface RedisFleetOptions extends Member {
  readonly service: string
  /** How long a stopped host may take to come back, in milliseconds. */
  readonly returnMs: number
  readonly log: Logger
}

/** How long a start waits for Redis, in milliseconds. */
const readyWithinMs = 500
/** The time limit for announcing that this host has stopped, and the pause between attempts, in milliseconds. */
const farewellMs = 300
const retryMs = 50

/** The hosts that share a Redis. */
export class RedisFleet implements Fleet {
  readonly desk: FleetDesk
  readonly #link: RedisLink
  readonly #options: RedisFleetOptions
  readonly #store: FleetStore
  readonly #registry: Registry
  readonly #permits: Permits
  readonly #guard: RolloutGuard
  /** Announced at most once. */
  #farewell: Promise<void> | undefined

  constructor(link: RedisLink, options: RedisFleetOptions) {
    const { service, host, log } = options
    this.#link = link
    this.#options = options
    this.#store = new FleetStore(link, service)
    this.desk = this.#store
    this.#registry = new Registry(this.#store, options, () => this.#permits.held, log)
    this.#permits = new Permits(this.#store, {
      ...options,
      isAlone: () => this.#registry.isAlone,
      onChange: () => this.#registry.now(),
    })
    this.#guard = new RolloutGuard(this.#store, host, log)
  }

  get status(): FleetStatus {
    const { host } = this.#options
    return { host, waiting: this.#permits.status, reason: this.#registry.reason }
  }

  async join(status: () => Status): Promise<void> {
    // The first heartbeat reports an unreachable Redis.
    await this.#link.ready(readyWithinMs).catch(() => {})
    await this.#registry.start(status)
  }

  open(status: () => Status): void {
    this.#registry.open(status)
    // The build has become ready, whatever started it.
    void this.#guard.succeeded(status().build)
  }

  changed(): void {
    this.#registry.now()
  }

  async mayStop(cause: string, force: boolean): Promise<void> {
    // A host that is already down takes nothing more from the fleet.
    if (!this.#registry.isUp) return
    if (force) this.#skip('stopping', cause)
    await this.#permits.acquire('stopping')
  }

  escalate(purpose: Purpose, cause: string): boolean {
    const isSkipped = this.#permits.escalate(purpose, cause)
    if (isSkipped)
      this.#options.log.warn({ cause }, 'Going down without a permit: somebody insists')
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
    // In an upgrade the successor reports this, and this process may end at any moment.
    const isService = this.#farewell === undefined
    if (build !== undefined && isService) await this.#guard.succeeded(build)
  }

  async notDeployed({ build, isReduction }: Change, error: unknown): Promise<void> {
    if (isReduction) this.#permits.end('reloading')
    if (build !== undefined) await this.#guard.failed(build, error)
  }

  async leave(): Promise<void> {
    this.#farewell ??= this.#sayFarewell(this.#options.returnMs)
    await this.#farewell
  }

  async fail(): Promise<void> {
    // The entry may belong to the process that this one was to succeed.
    if (!this.#registry.isStarted) return
    this.#farewell ??= this.#sayFarewell('ever')
    await this.#farewell
  }

  rest(): void {
    this.#registry.stop()
    this.#permits.giveUp()
    this.#farewell = Promise.resolve()
  }

  #skip(purpose: Purpose, cause: string): void {
    this.#options.log.warn({ cause }, 'Going down without a permit, by force')
    this.#permits.skip(purpose, 'force')
  }

  async #sayFarewell(returnMs: number | 'ever'): Promise<void> {
    this.#registry.stop()
    const untilMs = performance.now() + farewellMs
    for (;;) {
      try {
        await this.#store.leave(this.#options, returnMs)
        break
      } catch (error) {
        if (!(error instanceof RedisError)) throw error
        if (performance.now() > untilMs) {
          this.#options.log.warn(
            { reason: messageOf(error) },
            'Could not tell the fleet that this host has ended; it is going to be taken for dead',
          )
          break
        }
        await delay(retryMs)
      }
    }
    this.#link.close()
  }
}
