/** What a host goes down for. */
export type Purpose = 'stopping' | 'reloading'

/** A host that is down, and how. */
export interface DownHost {
  readonly host: string
  readonly how: string
}

/** How a host waits for its permit. */
export interface PermitStatus {
  readonly for: Purpose
  /** From 1; null until the fleet has answered. */
  readonly place: number | null
  /** Who is down now. */
  readonly down: readonly DownHost[]
  /** Why it is not even looked at yet; null when it is. */
  readonly reason: string | null
}

/** How the service stands in its fleet, as `status --json` shows it. */
export interface FleetStatus {
  readonly host: string
  /** Null unless this host waits to go down. */
  readonly waiting: PermitStatus | null
  /** Why the fleet does not know of this host; null when it does. */
  readonly reason: string | null
}
