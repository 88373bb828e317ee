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

export type Renewal =
  | { readonly kind: 'renewed' }
  /** Another has it now. */
  | { readonly kind: 'lost'; readonly host: string; readonly token: number }

/** The lease's scripts, with their answers decoded. Each method rejects with `RedisError`. */
export class LeaseStore {
  readonly #link: RedisLink
  readonly #keys: Keys
  readonly #contender: Contender
  readonly #ttlMs: number
  /** The connection over which the record was last marked as this server's. */
  #stampedOver: number | undefined

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
      this.#stampedOver = connection
      const [slot, token, sinceMs] = rest.map(Number) as [number, number, number]
      return { kind, grant: { slot, token, sinceMs } }
    }
    if (kind === 'differs') throw differs(rest as string[])
    return { kind: 'seen', records: (rest as string[][]).map(observationOf) }
  }

  async renew({ slot, token, sinceMs }: Grant): Promise<Renewal> {
    const { leases, settings } = this.#keys
    const { instance, host, place } = this.#contender
    const { connection } = this.#link
    const reply = await this.#link.run(
      renewScript,
      [this.#recordOf(slot), settings],
      [instance, host, place, this.#ttlMs, token, leases.length, sinceMs, this.#stamp],
    )
    const [kind, by = '', theirs] = reply as string[]
    if (kind !== 'renewed') return { kind: 'lost', host: by, token: Number(theirs) }
    this.#stampedOver = connection
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

  /** Whether the scripts are to ask which server this is: '1', or '0' where the connection is still the same. */
  get #stamp(): '0' | '1' {
    const { connection } = this.#link
    return connection === undefined || connection !== this.#stampedOver ? '1' : '0'
  }

  #recordOf(slot: number): string {
    const key = this.#keys.leases[slot - 1]
    if (key === undefined) throw new RangeError(`The lease has no slot ${slot}`)
    return key
  }
}

function observationOf(fields: string[]): Observation {
  const [state, host = '', token, seq, epoch, ttlMs, sinceMs, holder = ''] = fields
  return {
    state: state as Observation['state'],
    host,
    holder,
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
