import type { Status } from '../status.ts'
import type { HostReport } from './fleet.ts'

/** The part of a status that is reported to the other hosts. */
export function reportOf(status: Status): HostReport {
  const { state, build, version, workers, queue, lease, listen, endpoints, pid, lastReload } =
    status
  const busy = workers.filter((worker) => worker.state === 'busy').length
  return {
    state,
    build,
    version,
    workers: { busy, total: workers.length },
    queue: { length: queue.length, max: queue.max },
    lease: lease === null ? null : { token: lease.token, slot: lease.slot },
    listen,
    endpoints,
    pid,
    lastReload,
  }
}

/** Whether the fleet would lose capacity if this host went down: it serves, or could serve at once. */
export function isUp({ state, waiting }: Pick<Status, 'state' | 'waiting'>): boolean {
  if (waiting) return false
  return state === 'serving' || state === 'degraded' || state === 'standby'
}
