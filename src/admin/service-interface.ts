import type { FleetView } from '../fleet/fleet.ts'
import type { ReloadResult, StatsTotals, Status } from '../status.ts'

/** The service as the page, health checks and metrics see it; the primary implements it. */
export interface AdminTarget {
  status(): Status
  /** The figures for metrics that the status does not contain. */
  totals(): StatsTotals
  /**
   * Calls `listener` when something has happened to the service.
   *
   * @returns a function that ends the subscription
   */
  subscribe(listener: () => void): () => void
  /** The hosts of the service; undefined for a service without a fleet. Rejects when Redis cannot be queried. */
  fleetView(): Promise<FleetView> | undefined
  reload(cause: string): Promise<ReloadResult>
  scale(workers: number): Promise<void>
}
