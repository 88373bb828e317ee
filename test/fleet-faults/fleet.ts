import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monotonicMs } from '../../src/clock.ts'
import { messageOf } from '../../src/errors.ts'
import type { Cleanup } from '../helpers/cleanup.ts'
import type { Host } from '../helpers/network.ts'
import { waitFor } from '../helpers/wait-for.ts'
import { Contender } from './contender/contender.ts'
import type { Lock } from './contender/messages.ts'
import { type Claim, History } from './history.ts'
import { Resource } from './resource/resource.ts'

export interface FleetOptions {
  readonly lock: Lock
  readonly ttlMs: number
  /** Decides everything that a fault leaves to chance. */
  readonly random: () => number
}

/** Where a contender runs, and how it reaches Redis. */
export interface Place {
  readonly url: string
  readonly host?: Host
}

/** Contenders for one lease, the resource that they write to, and what all of them have said. */
export class Fleet {
  readonly ttlMs: number
  readonly random: () => number
  readonly contenders: readonly Contender[]
  readonly history = new History()
  readonly #resource: Resource
  #struckMs: number | undefined

  private constructor(options: FleetOptions, contenders: readonly Contender[], resource: Resource) {
    this.ttlMs = options.ttlMs
    this.random = options.random
    this.contenders = contenders
    this.#resource = resource
  }

  /** @param replicas - so many must have what a contender wrote; 0 asks none */
  static async open(
    t: Cleanup,
    options: FleetOptions,
    places: readonly Place[],
    replicas = 0,
  ): Promise<Fleet> {
    const folder = mkdtempSync(join(tmpdir(), 'hs-fleet-'))
    const resource = await Resource.start(t, folder)
    const { socket } = resource
    const contenders = places.map(({ url, host }, index) => {
      const name = String.fromCodePoint('a'.charCodeAt(0) + index)
      const own = { name, url, replicas, socket, journal: join(folder, name) }
      return new Contender(t, { lock: options.lock, ttlMs: options.ttlMs, ...own }, host)
    })
    t.after(() => rmSync(folder, { recursive: true, force: true }))
    await Promise.all(contenders.map((one) => one.start()))
    return new Fleet(options, contenders, resource)
  }

  /** The claim of whoever has the lease now, as far as is known; undefined when nobody has. */
  claim(): Claim | undefined {
    this.#hear()
    const nowMs = monotonicMs()
    return this.history.claims.findLast(
      ({ endedMs, untilMs }) => endedMs === undefined && untilMs > nowMs,
    )
  }

  /** Waits until somebody has the lease, other than `former`. */
  async holder(former?: Contender): Promise<Contender> {
    const isAnother = () => {
      const current = this.claim()
      return current?.contender === former?.name ? undefined : current
    }
    const what = former === undefined ? 'a holder' : `another holder than ${former.name}`
    const claim = await waitFor(what, isAnother).catch((error: unknown) => {
      const reasons = [...this.history.reasons].map(([name, reason]) => `${name}: ${reason}`)
      throw new Error(`${messageOf(error)}; ${reasons.join('; ')}`, { cause: error })
    })
    return this.#named(claim.contender)
  }

  /** Waits until a contender knows that it does not have the lease. */
  async standsDown(contender: Contender): Promise<void> {
    await waitFor(`the end of the lease of ${contender.name}`, () => {
      this.#hear()
      return this.history.lastOf(contender.name)?.endedMs !== undefined
    })
  }

  /** Those who do not have it. */
  standbys(holder: Contender): Contender[] {
    return this.contenders.filter((one) => one !== holder)
  }

  /** To be called right before a fault hits the holder: what a take-over takes counts from here. */
  strike(): void {
    this.#struckMs = monotonicMs()
  }

  /** When that was; undefined when it has not been since the last call. */
  takeStruckMs(): number | undefined {
    const struckMs = this.#struckMs
    this.#struckMs = undefined
    return struckMs
  }

  /** Takes down everything that has been said and written. */
  hearAll(): void {
    // In this order: whoever wrote has said before that it may.
    const writes = this.#resource.read()
    this.#hear()
    this.history.write(writes)
  }

  /** A number from `least` to `most`, by chance. */
  between(least: number, most: number): number {
    return least + this.random() * (most - least)
  }

  #hear(): void {
    for (const one of this.contenders) this.history.say(one.name, one.read())
  }

  #named(name: string): Contender {
    const contender = this.contenders.find((one) => one.name === name)
    if (contender === undefined) throw new Error(`There is no contender ${name}`)
    return contender
  }
}
