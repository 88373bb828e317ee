import { HelloserverError } from '../errors.ts'
import type { Grant } from '../lease/lease.ts'
import type {
  Acquisition,
  Contender,
  LeaseRecord,
  LeaseStore,
  Renewal,
} from '../lease/lease-store.ts'
import type { RedisLink } from './link.ts'
import { type RedisKeys, redisKeysOf } from './redis-keys.ts'
import { loadScript } from './script.ts'

const acquireScript = loadScript('acquire-lease')
const renewScript = loadScript('renew-lease')
const releaseScript = loadScript('release-lease')

/**
 * The maximum number of consecutive renewals that only increment a counter. It is lower than the number of renewals in
 * a lease, so that other lost data, such as the settings, is restored within one lease.
 */
const maxIncrementsInARow = 4

export interface RedisLeaseOptions {
  readonly service: string
  /** How many hosts may serve at a time. */
  readonly slots: number
  /** How long a grant lasts without renewal, in milliseconds. */
  readonly ttlMs: number
}

/** This store's own last change of the record. */
interface Change {
  /** The connection that carried it. */
  readonly connection: number
  /** Its number. */
  readonly seq: number
  /** The length of the run of mere increments that it ends. */
  readonly increments: number
}

/** The lease in Redis; `lua/lease.lua` describes its records. */
export class RedisLeaseStore implements LeaseStore {
  readonly name = 'Redis'
  readonly #link: RedisLink
  readonly #keys: RedisKeys
  readonly #contender: Contender
  readonly #ttlMs: number
  /** Undefined while an answer is outstanding. */
  #lastChange: Change | undefined

  constructor(link: RedisLink, contender: Contender, { service, slots, ttlMs }: RedisLeaseOptions) {
    this.#link = link
    this.#keys = redisKeysOf(service, slots)
    this.#contender = contender
    this.#ttlMs = ttlMs
  }

  async acquire(highestToken: number, expired: readonly string[]): Promise<Acquisition> {
    const { leases, settings } = this.#keys
    const { instance, host, lockId } = this.#contender
    const expiredIds = leases.map((_, at) => expired[at] ?? '')
    const { connection } = this.#link
    const reply = await this.#link.run(
      acquireScript,
      [...leases, settings],
      [instance, host, lockId, this.#ttlMs, highestToken, leases.length, ...expiredIds],
    )
    const [kind, ...rest] = reply as [string, ...unknown[]]
    if (kind === 'granted') {
      const [slot, token, sinceMs, seq] = rest.map(Number) as [number, number, number, number]
      this.#noteChange(connection, seq)
      return { kind, grant: { slot, token, sinceMs } }
    }
    if (kind === 'differs') throw settingDiffers(rest as string[])
    return { kind: 'unavailable', records: (rest as (string | null)[][]).map(recordOf) }
  }

  /**
   * Nearly always, no other host has written to the record since this store's last change. Then a renewal only
   * increments the record's change counter, and the expected result proves that no other host wrote. Otherwise, once in
   * each lease, and over a new connection, which may lead to another server, the renewal reads and restores the
   * record.
   */
  async renew(grant: Grant): Promise<Renewal> {
    const { connection } = this.#link
    const last = this.#lastChange
    this.#lastChange = undefined
    if (
      last === undefined ||
      last.connection !== connection ||
      last.increments === maxIncrementsInARow
    ) {
      return this.#restore(grant)
    }
    const seq = await this.#link.increment(this.#recordKey(grant.slot), 'seq')
    // Beyond the safe integers, the record cannot be trusted; the next renewal reports that.
    if (seq !== last.seq + 1 || !Number.isSafeInteger(seq)) return { kind: 'changed' }
    this.#noteChange(connection, seq, last.increments + 1)
    return { kind: 'renewed' }
  }

  async release({ slot, token }: Grant): Promise<void> {
    const { instance } = this.#contender
    await this.#link.run(
      releaseScript,
      [this.#recordKey(slot)],
      [instance, token, this.#keys.channel],
    )
  }

  /** This takes a connection of its own, which only waiting hosts need. */
  subscribe(listener: () => void): () => void {
    return this.#link.subscribe(this.#keys.channel, () => listener())
  }

  close(): void {
    this.#link.close()
  }

  async #restore({ slot, token, sinceMs }: Grant): Promise<Renewal> {
    const { leases, settings } = this.#keys
    const { instance, host, lockId } = this.#contender
    const { connection } = this.#link
    const reply = await this.#link.run(
      renewScript,
      [this.#recordKey(slot), settings],
      [instance, host, lockId, this.#ttlMs, token, leases.length, sinceMs],
    )
    const [kind, ...rest] = reply as [string, ...unknown[]]
    if (kind !== 'renewed') return { kind: 'lost', host: String(rest[0]), token: Number(rest[1]) }
    this.#noteChange(connection, Number(rest[0]))
    return { kind }
  }

  /** @param connection - undefined in a cluster: there, each renewal reads the record */
  #noteChange(connection: number | undefined, seq: number, increments = 0): void {
    this.#lastChange = connection === undefined ? undefined : { connection, seq, increments }
  }

  #recordKey(slot: number): string {
    const key = this.#keys.leases[slot - 1]
    if (key === undefined) throw new RangeError(`The lease has no slot ${slot}`)
    return key
  }
}

/** @param fields - null where the record has none: if the record was lost, only what was just written is there */
function recordOf(fields: (string | null)[]): LeaseRecord {
  const [state, host, token, seq, epoch, ttlMs, sinceMs, holder] = fields
  return {
    state: state as LeaseRecord['state'],
    host: host ?? '',
    holder: holder ?? '',
    token: Number(token),
    id: `${epoch}/${seq}`,
    ttlMs: Number(ttlMs),
    sinceMs: Number(sinceMs),
  }
}

function settingDiffers([key, theirs, ours, host]: string[]): HelloserverError {
  return new HelloserverError(
    'LEASE_REFUSED',
    `${key} is ${ours} here and ${theirs} in the fleet (set by ${host}); it must be the same on all hosts: change it here, or stop all hosts first`,
  )
}
