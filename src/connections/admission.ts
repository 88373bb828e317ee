import type { Config } from '../config/load.ts'
import { NetworkList } from './network-list.ts'
import { RateLimit } from './rate-limit.ts'

/** Why a client is not let in: by the lists of addresses, or because it connects too often. */
export type Refusal = 'denied' | 'rate-limit'

/** Decides by a client's address whether its connection is let in, before anything is read from it. */
export class Admission {
  readonly #rate: RateLimit
  #allowed = new NetworkList([])
  #denied = new NetworkList([])

  constructor(rate = new RateLimit()) {
    this.#rate = rate
  }

  /** Applies `access`, to clients that are judged from now on. */
  apply({ access }: Pick<Config, 'access'>): void {
    this.#allowed = new NetworkList(access.allow)
    this.#denied = new NetworkList(access.deny)
    this.#rate.limit(access.maxPerSecond)
  }

  /** Whether everybody is let in, so that no address need be asked for. */
  get isOpen(): boolean {
    return this.#allowed.isEmpty && this.#denied.isEmpty && this.#rate.isOff
  }

  /**
   * Why a client is refused; undefined when it is let in. Counts the connection for its address, so it must be called
   * once for each: with the address of the peer, or with that which a trusted proxy has given.
   */
  refusalOf(address: string): Refusal | undefined {
    if (this.#denied.has(address)) return 'denied'
    if (!this.#allowed.isEmpty && !this.#allowed.has(address)) return 'denied'
    return this.#rate.isExceededBy(address) ? 'rate-limit' : undefined
  }
}
