import { HelloserverError } from '../errors.ts'
import type { RedisLink } from '../redis/link.ts'
import type { Keys } from './keys.ts'
import type { Grant } from './lease.ts'
import type { Observation } from './observations.ts'
import { acquireScript, releaseScript, renewScript } from './scripts.ts'

/** Who asks. */
export interface Contender {
  /** Unique for each start of a service; its upgrades keep it. */
  readonly instance: string
  /** The host's name in the fleet. */
  readonly host: string
  /** Where its PID lock is: whoever was in the same place before is dead, or is this one. */
  readonly place: string
}

export type Answer =
  | { readonly kind: 'granted'; readonly grant: Grant }
  | { readonly kind: 'seen'; readonly records: readonly Observation[] }

export type Restoration =
  | { readonly kind: 'renewed' }
  /** Another has it now. */
  | { readonly kind: 'lost'; readonly host: string; readonly token: number }

/** `changed`: somebody else has written to the record; what, is for the next renewal to see, if there may be one. */
export type Renewal = Restoration | { readonly kind: 'changed' }

/**
 * So many renewals in a row do no more than count: fewer than there are in a lease, so that what else has been lost, such
 * as the settings, is back within one.
 */
const countsInARow = 4

/** The lease's scripts, with their answers decoded. Each method rejects with `RedisError`. */
export class LeaseStore {
  readonly #link: RedisLink
  readonly #keys: Keys
  readonly #contender: Contender
  readonly #ttlMs: number
  /**
   * The last change of the record, this store's own: over which connection it was made, its number, and how many changes
   * that only counted it ends. Unknown while its answer is not there.
   */
  #last: { readonly connection: number; readonly seq: number; readonly counts: number } | undefined

  constructor(link: RedisLink, keys: Keys, contender: Contender, ttlMs: number) {
    this.#link = link
    this.#keys = keys
    this.#contender = contender
    this.#ttlMs = ttlMs
  }

  /**
   * Takes what can be had; otherwise says what is there.
   *
   * @param matured - for each record the state that was seen for long enough, or ''
   * @throws HelloserverError `LEASE_REFUSED` when the fleet has other settings than this host
   */
  async acquire(highestToken: number, matured: readonly string[]): Promise<Answer> {
    const { leases, settings } = this.#keys
    const { instance, host, place } = this.#contender
    const waited = leases.map((_, at) => matured[at] ?? '')
    const { connection } = this.#link
    const reply = await this.#link.run(
      acquireScript,
      [...leases, settings],
      [instance, host, place, this.#ttlMs, highestToken, leases.length, ...waited],
    )
    const [kind, ...rest] = reply as [string, ...unknown[]]
    if (kind === 'granted') {
      const [slot, token, sinceMs, seq] = rest.map(Number) as [number, number, number, number]
      this.#noteChange(connection, seq)
      return { kind, grant: { slot, token, sinceMs } }
    }
    if (kind === 'differs') throw differs(rest as string[])
    return { kind: 'seen', records: (rest as (string | null)[][]).map(observationOf) }
  }

  /**
   * Makes a hold last longer.
   *
   * Nearly always nobody else has written to the record since this store has: then to count its changes up by one is
   * all there is to do, and that it comes out where it must says that it was so. Otherwise, once in each lease, and over
   * another connection, which may lead to another server, the record is looked at and restored.
   */
  async renew(grant: Grant): Promise<Renewal> {
    const { connection } = this.#link
    const last = this.#last
    this.#last = undefined
    if (last === undefined || last.connection !== connection || last.counts === countsInARow) {
      return this.restore(grant)
    }
    const seq = await this.#link.increment(this.#recordOf(grant.slot), 'seq')
    // Past what a number can hold, the record is not to be trusted; `restore` says so.
    if (seq !== last.seq + 1 || !Number.isSafeInteger(seq)) return { kind: 'changed' }
    this.#noteChange(connection, seq, last.counts + 1)
    return { kind: 'renewed' }
  }

  /** The same, whatever has become of the record. Never to be asked for once the hold has run out. */
  async restore({ slot, token, sinceMs }: Grant): Promise<Restoration> {
    const { leases, settings } = this.#keys
    const { instance, host, place } = this.#contender
    const { connection } = this.#link
    const reply = await this.#link.run(
      renewScript,
      [this.#recordOf(slot), settings],
      [instance, host, place, this.#ttlMs, token, leases.length, sinceMs],
    )
    const [kind, ...rest] = reply as [string, ...unknown[]]
    if (kind !== 'renewed') return { kind: 'lost', host: String(rest[0]), token: Number(rest[1]) }
    this.#noteChange(connection, Number(rest[0]))
    return { kind }
  }

  async release({ slot, token }: Grant): Promise<void> {
    const { instance } = this.#contender
    await this.#link.run(
      releaseScript,
      [this.#recordOf(slot)],
      [instance, token, this.#keys.channel],
    )
  }

  /**
   * Calls `listener` when the lease may have become free, until the returned function is called. It takes a connection
   * of its own: only who has to wait needs that.
   */
  onHint(listener: () => void): () => void {
    return this.#link.subscribe(this.#keys.channel, () => listener())
  }

  #noteChange(connection: number | undefined, seq: number, counts = 0): void {
    this.#last = connection === undefined ? undefined : { connection, seq, counts }
  }

  #recordOf(slot: number): string {
    const key = this.#keys.leases[slot - 1]
    if (key === undefined) throw new RangeError(`The lease has no slot ${slot}`)
    return key
  }
}

/** @param fields - null where the record has none: of one that was lost, only what was just written is there */
function observationOf(fields: (string | null)[]): Observation {
  const [state, host, token, seq, epoch, ttlMs, sinceMs, holder] = fields
  return {
    state: state as Observation['state'],
    host: host ?? '',
    holder: holder ?? '',
    token: Number(token),
    id: `${epoch}/${seq}`,
    ttlMs: Number(ttlMs),
    sinceMs: Number(sinceMs),
  }
}

function differs([key, theirs, ours, host]: string[]): HelloserverError {
  return new HelloserverError(
    'LEASE_REFUSED',
    `${key} is ${ours} here and ${theirs} in the fleet (set by ${host}); it must be the same on all hosts: change it here, or stop all hosts first`,
  )
}
