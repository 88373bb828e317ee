import type { FleetView } from '../fleet/fleet.ts'
import type { Status } from '../status.ts'
import type { Look } from './history.ts'

/** What the page is sent, as server-sent events by these names; the page's code knows them from here, too. */
export interface LiveMessages {
  /** First of all. */
  hello: {
    /** Whether somebody with the token could act. */
    readonly canAct: boolean
    readonly history: readonly Look[]
  }
  /** Once a second, and when something has happened. */
  status: { readonly look: Look; readonly status: Status }
  /** Now and then, where hosts share a Redis; null with the reason why it cannot be told. */
  fleet: { readonly view: FleetView | null; readonly reason: string | null }
}
