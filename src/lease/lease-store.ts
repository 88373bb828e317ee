import { HelloserverError } from '../errors.ts'
import type { RedisLink } from '../redis/link.ts'
import type { Keys } from './keys.ts'
import type { Grant } from './lease.ts'
import type { Observation } from './observations.ts'
import { acquireScript, releaseScript, renewScript } from './scripts.ts'

/** A host that asks for the lease. */
export interface Contender {
  /** Unique for each start of a service; kept across its upgrades. */
  readonly instance: string
  /** The host's name in the fleet. */
  readonly host: string
  /** The place of its PID lock: any earlier holder in the same place is dead, or is this service. */
  readonly place: string
}

export type Answer =
  | { readonly kind: 'granted'; readonly grant: Grant }
  | { readonly kind: 'seen'; readonly records: readonly Observation[] }

export type Restoration =
  | { readonly kind: 'renewed' }
  /** Another host holds the lease now. */
  | { readonly kind: 'lost'; readonly host: string; readonly token: number }

/** `changed`: another host has written to the record. The next renewal, if still permitted, finds out what. */
export type Renewal = Restoration | { readonly kind: 'changed' }

/**
 * The maximum number of consecutive renewals that only count. It is lower than the number of renewals in a lease, so
 * that other lost data, such as the settings, is restored within one lease.
 */
const countsInARow = 4

/** The lease's scripts, with their answers decoded. Each method rejects with `RedisError`. */
export class LeaseStore {
  readonly #link: RedisLink
  readonly #keys: Keys
  readonly #contender: Contender
  readonly #ttlMs: number
  /**
   * This store's own last change of the record: the connection that carried it, its number, and the length of the
   * run of count-only changes that it ends. Undefined while the answer is outstanding.
   */
  #last: { readonly connection: number; readonly seq: number; readonly counts: number } | undefined

  constructor(link: RedisLink, keys: Keys, contender: Contender, ttlMs: number) {
    this.#link = link
    this.#keys = keys
    this.#contender = contender
    this.#ttlMs = ttlMs
  }

  /**
   * Acquires a record if one is available; otherwise returns the state of all records.
   *
   * @param matured - for each record, the state that has been seen for long enough, or ''
   * @throws HelloserverError `LEASE_REFUSED` when the fleet's settings differ from this host's
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
   * Renews a hold.
   *
   * Nearly always, no other host has written to the record since this store's last change. Then a renewal only
   * increments the record's change counter, and the expected result proves that nobody else wrote. Otherwise, once in
   * each lease, and over a new connection, which may lead to another server, the renewal reads and restores the
   * record.
   */
  async renew(grant: Grant): Promise<Renewal> {
    const { connection } = this.#link
    const last = this.#last
    this.#last = undefined
    if (last === undefined || last.connection !== connection || last.counts === countsInARow) {
      return this.restore(grant)
    }
    const seq = await this.#link.increment(this.#recordOf(grant.slot), 'seq')
    // Beyond the safe integers, the record cannot be trusted; `restore` reports that.
    if (seq !== last.seq + 1 || !Number.isSafeInteger(seq)) return { kind: 'changed' }
    this.#noteChange(connection, seq, last.counts + 1)
    return { kind: 'renewed' }
  }

  /** Renews the hold whatever has happened to the record. Must never be called once the hold has run out. */
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
   * Calls `listener` when the lease may have become free, until the returned function is called. This takes a
   * separate connection, which only waiting hosts need.
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

/** @param fields - null where the record has none: if the record was lost, only what was just written is there */
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
