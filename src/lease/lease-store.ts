import type { Grant } from './lease.ts'

/** A host that asks for the lease. */
export interface Contender {
  /** Unique for each start of a service; kept across its upgrades. */
  readonly instance: string
  /** The host's name in the fleet. */
  readonly host: string
  /** Identifies the host's PID lock: any earlier holder that had the same lock is dead, or is this service. */
  readonly lockId: string
}

/** A record of the lease, as seen by a host that wants it. */
export interface LeaseRecord {
  /**
   * `free`: available at once; `held`: by `holder`; `grace`: the store may have lost a later grant, so the record
   * becomes available only once it has been seen unchanged for long enough, or its holder has renewed it.
   */
  readonly state: 'free' | 'held' | 'grace'
  /** The name and the instance of the current or last holder; empty when none is known. */
  readonly host: string
  readonly holder: string
  readonly token: number
  /** Identifies this state of the record; every change yields an id that the record has never had before. */
  readonly id: string
  /** How long a grant lasts without renewal, in milliseconds. */
  readonly ttlMs: number
  /** When the lease was granted, by the clock of the store; for display only. */
  readonly sinceMs: number
}

export type Acquisition =
  | { readonly kind: 'granted'; readonly grant: Grant }
  /** No record is available; all of them as they are now. */
  | { readonly kind: 'unavailable'; readonly records: readonly LeaseRecord[] }

export type Renewal =
  | { readonly kind: 'renewed' }
  /** Another host holds the lease now. */
  | { readonly kind: 'lost'; readonly host: string; readonly token: number }
  /** The record has been changed by another host, so this renewal does not count. The next one finds out the rest. */
  | { readonly kind: 'changed' }

/**
 * A store in which hosts share the lease: one record for each host that may serve at a time.
 *
 * `SharedLease` does all waiting and all timing, by each host's own clock. A new store implements this interface in one
 * file, and must provide the following:
 *
 * - Each method is one atomic step in the store. It resolves only when its effect is as durable as the store can
 *   promise, and rejects with `StoreError` within a fraction of the lease when that is uncertain. A rejected step may
 *   still take effect, and a step may be repeated.
 * - Each grant of a record has a higher token than all earlier grants of it, also after the store has lost its data.
 * - Every renewal gives the record a new id. A record whose id stays the same is not being renewed.
 * - When the store may have lost its latest changes (it was restarted, or a replica took over), a record that is not
 *   known to be current is in `grace`, under a new id, and is not free.
 * - A record never becomes free by time: the store's own clock and expiry play no part.
 */
export interface LeaseStore {
  /** The name of the store, for people. */
  readonly name: string
  /**
   * Acquires a record if one is available: a free one; one that is `held` under the caller's own `lockId`; or one that
   * still is in the state that the caller has seen for long enough.
   *
   * @param highestToken - the highest token that the caller has seen: that of a grant must be higher
   * @param expired - for each record, the id that it has had for longer than a grant lasts, or ''
   * @throws HelloserverError `LEASE_REFUSED` when the settings of the lease differ from those of the other hosts
   */
  acquire(highestToken: number, expired: readonly string[]): Promise<Acquisition>
  /**
   * Renews a grant, and restores its record if the store has lost it. The caller must not call it once the grant has
   * expired: others may have acquired the record, and a store that has lost that could not tell.
   */
  renew(grant: Grant): Promise<Renewal>
  /** Frees the record, unless it is no longer the caller's or the store may have lost later changes of it. */
  release(grant: Grant): Promise<void>
  /**
   * Calls `listener` when a record may have become free, until the returned function is called. This is a hint that
   * saves time: waiting hosts poll anyway.
   */
  subscribe(listener: () => void): () => void
  /** Closes the connections. */
  close(): void
}
