import { type ActionsOptions, offerActions } from './actions.ts'
import { type MetricsOptions, showMetrics } from './metrics.ts'
import { openPm2Io } from './pm2-io.ts'

/** Shows the service in pm2 and offers its actions there, until `signal` is aborted. */
export function openDashboard(options: ActionsOptions & MetricsOptions): void {
  const io = openPm2Io(options.signal)
  showMetrics(io, options)
  offerActions(io, options)
}
