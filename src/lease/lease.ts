import type { HelloserverError } from '../errors.ts'

/** Permission to serve. */
export interface Grant {
  /**
   * The fencing token: each grant of a slot has a higher one than all earlier grants. A store that refuses any token
   * lower than the highest it has seen is safe from a host that does not know yet that it has lost the lease.
   */
  readonly token: number
  /** Which of the lease's slots was granted, from 1. */
  readonly slot: number
  /** When the lease was granted, by the clock of the store, in milliseconds since the epoch; for display only. */
  readonly sinceMs: number
}

/** A lease that is held: its grant, and when that expires unless it is renewed. */
export interface Hold {
  readonly grant: Grant
  /** By the monotonic clock, which all processes of a host share. */
  readonly deadlineMs: number
}

/** The state of the lease, as `status --json` shows it. */
export interface LeaseStatus {
  readonly mode: 'exclusive' | 'slots'
  /** Whether this host holds the lease, and may serve. */
  readonly held: boolean
  readonly token: number | null
  readonly slot: number | null
  /** How long the lease is valid without another renewal, in milliseconds; null when it is not held. */
  readonly validForMs: number | null
  /** The host that holds the lease, if known. */
  readonly holder: string | null
  /** Since when that host has held it, in ISO 8601. */
  readonly since: string | null
  /** Why this host does not hold the lease; null when it does. */
  readonly reason: string | null
}

/** Receives the events of the lease. */
export interface LeaseListener {
  /** This host may serve, from now on and until `onLost`. */
  onHeld(grant: Grant): void
  /** Other hosts hold every slot; called again when one of the holders changes. */
  onContended(hosts: readonly string[]): void
  /** The lease cannot be acquired or renewed at the moment; called once for each reason. */
  onFailure(failure: HelloserverError): void
  /** The lease is now valid until `deadlineMs` of the monotonic clock. */
  onExtended(deadlineMs: number): void
  /** The lease is lost, by the deadline at the latest; `acquire` must be called to get it back. */
  onLost(cause: string): void
}

/** Decides whether this host may serve. */
export interface Lease {
  /** Null where this host decides alone. */
  readonly status: LeaseStatus | null
  /**
   * Whether a connection may be handed out at this very moment. Synchronous and cheap: it is called for each
   * connection, because a timer may be late, and the process may have been paused.
   */
  isValid(): boolean
  /** Tries to acquire the lease until it is granted. Calling it again in the meantime changes nothing. */
  acquire(): void
  /** This process was paused and has resumed: check the lease before doing anything else. */
  check(): void
  /** Null while the lease is not held. */
  readonly grant: Grant | null
  /** The lease as another process of this host needs it to continue; null while it is not held. */
  readonly hold: Hold | null
  /**
   * Continues, in this process, a lease that the service holds.
   *
   * @throws HelloserverError `BOOT_FAILED` when the service no longer holds it
   */
  resume(hold: Hold): Promise<void>
  /** Stops acquiring or renewing the lease without releasing it: another process of this host continues it. */
  stop(): void
  /**
   * Releases the lease, so that another host can acquire it at once. Resolves when the store has confirmed that, or
   * does not answer.
   */
  release(): Promise<void>
  /** Closes the connections. */
  close(): void
}

export type OpenLease = (listener: LeaseListener) => Lease
