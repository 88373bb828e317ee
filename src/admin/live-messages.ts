import type { FleetView } from '../fleet/fleet.ts'
import type { Status } from '../status.ts'
import type { Sample } from './history.ts'

/** The page's server-sent events, by name; the page's own code uses these types, too. */
export interface LiveMessages {
  /** Sent first. */
  hello: {
    /** Whether a user with the token may act. */
    readonly canAct: boolean
    readonly history: readonly Sample[]
  }
  /** Sent once a second, and when something has happened. An open page survives an upgrade, so its names stay. */
  status: { readonly look: Sample; readonly status: Status }
  /** Sent periodically where hosts share a Redis; `view` is null, with a reason, when the fleet cannot be queried. */
  fleet: { readonly view: FleetView | null; readonly reason: string | null }
}
