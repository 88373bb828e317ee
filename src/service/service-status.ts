import { version } from '../build-id.ts'
import { residentMemory } from '../process/resident-memory.ts'
import type { Status } from '../status.ts'
import { endpointStatus } from './endpoint-status.ts'
import type { Service } from './service.ts'

/** How many of the last events the status has. */
const eventsShown = 20

/**
 * The answer to `status`: what each part of a service says of itself.
 *
 * @param startedMs - the reading of `performance.now()` at the start
 */
export function serviceStatus(service: Service, startedMs: number): Status {
  const { connections, pool, control, continuity, leadership } = service
  connections.handOff.settle()
  const { pid: supervisorPid } = control.supervisor
  return {
    name: service.files.name,
    version,
    build: service.release.build,
    state: service.state === 'serving' && pool.isDegraded ? 'degraded' : service.state,
    pid: process.pid,
    rssBytes: residentMemory() ?? 0,
    uptimeMs: Math.round(performance.now() - startedMs),
    ...endpointStatus(connections.listeners, service.config.listen),
    generation: pool.current?.number ?? 0,
    workers: [
      ...(continuity.rescued?.orphans.status ?? []),
      ...pool.slots.map((slot) => slot.status),
    ],
    ...connections.status,
    lastReload: service.reloads.last,
    drain: service.ending.status,
    waiting: leadership.waiting,
    lease: leadership.lease.status,
    fleet: service.fleet.status,
    supervisor: { attached: supervisorPid !== null, pid: supervisorPid },
    events: service.events.last(eventsShown),
  }
}
