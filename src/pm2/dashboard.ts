import io from '@pm2/io'
import { type ActionsOptions, offerActions } from './actions.ts'
import { type MetricsOptions, showMetrics } from './metrics.ts'

/**
 * Opens what pm2 shows of the service and lets people do to it, until `signal` is aborted.
 *
 * Called in the turn in which @pm2/io is loaded: it begins to send figures of its own, which would come first in the
 * list, unless it is told at once what to send.
 */
export function openDashboard(options: ActionsOptions & MetricsOptions): void {
  io.init({
    metrics: { v8: false, eventLoop: false, http: false, runtime: false, network: false },
    transactions: false,
    http: false,
    // Of this process, which does not serve.
    profiling: false,
  } as Parameters<typeof io.init>[0])
  showMetrics(options)
  offerActions(options)
}
