import type { AdminTarget } from '../admin/service-interface.ts'
import type { ControlServer } from '../control/server.ts'
import type { Fleet } from '../fleet/fleet.ts'
import type { Primary } from './primary.ts'
import type { ReloadResult } from '../status.ts'

/**
 * A primary as the admin page sees it.
 *
 * @param passedOn - rejects when the reload has become another process's task
 */
export function adminTarget(
  primary: Primary,
  control: ControlServer,
  fleet: Fleet,
  passedOn: (reloading: Promise<ReloadResult>) => Promise<ReloadResult>,
): AdminTarget {
  return {
    status: () => primary.status(control.supervisor.pid),
    totals: () => primary.totals,
    subscribe: (listener) => primary.events.subscribe(listener),
    fleet: () => (fleet.status === null ? undefined : fleet.operations.view()),
    reload: (cause) => passedOn(primary.deployer.reload(cause)),
    scale: (workers) => primary.deployer.scale(workers),
  }
}
