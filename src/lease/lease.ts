import type { HelloserverError } from '../errors.ts'

/** Leave to serve. */
export interface Grant {
  /**
   * The fencing token: each grant of a slot has a higher one than those before it. A store that refuses a token lower
   * than the highest it has seen is safe from whoever does not know yet that it has lost the lease.
   */
  readonly token: number
  /** Which of the places that the lease has, from 1. */
  readonly slot: number
  /** When it was granted, by the clock of Redis, milliseconds since the epoch; for people. */
  readonly sinceMs: number
}

/** A grant, and how long it holds if it is not renewed. */
export interface Hold {
  readonly grant: Grant
  /** Of the monotonic clock, which the processes of a host share. */
  readonly deadlineMs: number
}

/** How the lease stands, as `status --json` shows it. */
export interface LeaseStatus {
  readonly mode: 'exclusive' | 'slots'
  /** Whether this host has it, and may serve. */
  readonly held: boolean
  readonly token: number | null
  readonly slot: number | null
  /** How long it holds if nothing more is heard from Redis, in milliseconds; null when it is not held. */
  readonly validForMs: number | null
  /** The host that has it, as far as is known. */
  readonly holder: string | null
  /** Since when that host has it, ISO 8601. */
  readonly since: string | null
  /** Why this host does not have it; null when it does. */
  readonly reason: string | null
}

/** Who is told how the lease goes. */
export interface LeaseListener {
  /** This host may serve, from now on and until `onLost`. */
  onHeld(grant: Grant): void
  /** Others have it, as many as may; told again when one of them is another. */
  onContended(hosts: readonly string[]): void
  /** It cannot be asked for, or made to last longer; told once for each reason. */
  onTrouble(failure: HelloserverError): void
  /** It holds until `deadlineMs` of the monotonic clock now. */
  onExtended(deadlineMs: number): void
  /** It is lost, by the deadline at the latest; it is not sought again by itself. */
  onLost(cause: string): void
}

/** What decides whether this host may serve. */
export interface Lease {
  /** Null where this host decides alone. */
  readonly status: LeaseStatus | null
  /**
   * Whether a connection may be handed out at this very moment. Synchronous and cheap: it is asked for each
   * connection, because a timer may be late, and a process may have been paused.
   */
  isValid(): boolean
  /** Asks for it until it is granted; good to call again meanwhile. */
  seek(): void
  /** This process was paused, and goes on: looks before anything else is done. */
  check(): void
  /** Null while it is not held. */
  readonly grant: Grant | null
  /** What another process of this host needs to go on with it; null while it is not held. */
  readonly hold: Hold | null
  /** Goes on with what this service holds in another process of this host. Rejects when it holds it no more. */
  resume(hold: Hold): Promise<void>
  /** Stops to keep it, or to ask for it, without giving it up: another process of this host goes on with it. */
  rest(): void
  /** Gives it up, for another host to take at once. Resolves when Redis knows, or does not answer. */
  release(): Promise<void>
  /** Ends the connections. */
  close(): void
}

export type OpenLease = (listener: LeaseListener) => Lease
