import { type ActionsOptions, offerActions } from './actions.ts'
import { type MetricsOptions, showMetrics } from './metrics.ts'
import { pmx } from './pm2-io.ts'

/** Shows the service in pm2 and offers its actions there, until `signal` is aborted. */
export function openDashboard(options: ActionsOptions & MetricsOptions): void {
  const io = new pmx.default()
  io.init({
    metrics: { v8: false, eventLoop: false, http: false, runtime: false, network: false },
    profiling: false,
  })
  showMetrics(io, options)
  offerActions(io, options)
}
