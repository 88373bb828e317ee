import { codeOf, HelloserverError, messageOf } from '../errors.ts'
import { StoreError } from '../store-error.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { FleetStore } from './fleet-store.ts'

/** Protects the other hosts from a build that failed to become ready on one of them. */
export class RolloutGuard {
  readonly #store: FleetStore
  readonly #host: string
  readonly #log: Logger

  constructor(store: FleetStore, host: string, log: Logger) {
    this.#store = store
    this.#host = host
    this.#log = log
  }

  /** @throws HelloserverError `BUILD_REFUSED` when the build failed to become ready on another host */
  async check(build: string): Promise<void> {
    const refusal = await this.#attempt('Cannot ask whether another host refused this build', () =>
      this.#store.refusal(build, this.#host),
    )
    if (refusal === undefined) return
    const { host, reason, at } = refusal
    throw new HelloserverError(
      'BUILD_REFUSED',
      `Build ${build} did not become ready on ${host} at ${at}: ${reason}. Fix it, or allow it again with "helloserver fleet clear ${build}"`,
    )
  }

  /** Tells the other hosts of a failed reload if the code was the cause. */
  async failed(build: string, error: unknown): Promise<void> {
    if (codeOf(error) !== 'BOOT_FAILED') return
    this.#log.warn({ build }, 'The other hosts refuse this build from now on')
    await this.#attempt('Cannot warn the other hosts of this build', () =>
      this.#store.refuse(build, this.#host, messageOf(error)),
    )
  }

  /** Tells the other hosts that a build has become ready here: if it failed here before, they may deploy it again. */
  async succeeded(build: string): Promise<void> {
    await this.#attempt('Cannot tell the other hosts that this build has become ready', () =>
      this.#store.accept(build, this.#host),
    )
  }

  /** An unreachable store does not make a deploy fail. */
  async #attempt<T>(failure: string, act: () => Promise<T>): Promise<T | undefined> {
    try {
      return await act()
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      this.#log.warn({ reason: error.message }, failure)
      return undefined
    }
  }
}
