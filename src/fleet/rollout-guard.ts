import { codeOf, HelloserverError, messageOf } from '../errors.ts'
import { RedisError } from '../redis/link.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { FleetStore } from './fleet-store.ts'

/** Keeps a build that one host could not get ready from the others. */
export class RolloutGuard {
  readonly #store: FleetStore
  readonly #host: string
  readonly #log: Logger

  constructor(store: FleetStore, host: string, log: Logger) {
    this.#store = store
    this.#host = host
    this.#log = log
  }

  /** @throws HelloserverError `BUILD_REFUSED` when another host could not get it ready */
  async check(build: string): Promise<void> {
    const refusal = await this.#attempt('Cannot ask whether another host refused this build', () =>
      this.#store.refusal(build, this.#host),
    )
    if (refusal === undefined) return
    const { host, reason, at } = refusal
    throw new HelloserverError(
      'BUILD_REFUSED',
      `Build ${build} did not get ready on ${host} at ${at}: ${reason}. Mend it, or let it be tried again: "helloserver fleet clear ${build}"`,
    )
  }

  /** A reload failed: the others are told when it is the code that is to blame. */
  async failed(build: string, error: unknown): Promise<void> {
    if (codeOf(error) !== 'BOOT_FAILED') return
    this.#log.warn({ build }, 'The other hosts refuse this build from now on')
    await this.#attempt('Cannot warn the other hosts of this build', () =>
      this.#store.refuse(build, this.#host, messageOf(error)),
    )
  }

  /** It got ready here: if it had not before, the others may have it, too. */
  async succeeded(build: string): Promise<void> {
    await this.#attempt('Cannot tell the other hosts that this build is good', () =>
      this.#store.accept(build, this.#host),
    )
  }

  /** A deploy does not fail because Redis is away. */
  async #attempt<T>(trouble: string, act: () => Promise<T>): Promise<T | undefined> {
    try {
      return await act()
    } catch (error) {
      if (!(error instanceof RedisError)) throw error
      this.#log.warn({ reason: error.message }, trouble)
      return undefined
    }
  }
}
