import type { FleetView } from '../fleet/fleet.ts'
import type { FigureTotals, ReloadResult, Status } from '../status.ts'

/** What the page, health and metrics need of a service; the primary is behind it. */
export interface AdminTarget {
  status(): Status
  /** What metrics are made of, and the status has no place for. */
  totals(): FigureTotals
  /**
   * Calls `listener` when something has happened to the service.
   *
   * @returns what ends that
   */
  subscribe(listener: () => void): () => void
  /** The hosts of the service; undefined for one on its own. Rejects when Redis cannot be asked. */
  fleet(): Promise<FleetView> | undefined
  reload(cause: string): Promise<ReloadResult>
  scale(workers: number): Promise<void>
}
