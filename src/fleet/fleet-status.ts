/** The reason why a host goes down. */
export type Purpose = 'stopping' | 'reloading'

/** A host that is down, and its state. */
export interface DownHost {
  readonly host: string
  readonly how: string
}

/** The state of a host's wait for its permit. */
export interface PermitStatus {
  readonly for: Purpose
  /** From 1; null until the fleet has answered. */
  readonly place: number | null
  /** The hosts that are down now. */
  readonly down: readonly DownHost[]
  /** Why the request is not being considered yet; null when it is. */
  readonly reason: string | null
}

/** The service's standing in its fleet, as `status --json` shows it. */
export interface FleetStatus {
  readonly host: string
  /** Null unless this host waits to go down. */
  readonly waiting: PermitStatus | null
  /** Why this host is unknown to the fleet; null when it is known. */
  readonly reason: string | null
}
