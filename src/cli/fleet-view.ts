import { endpointsText } from '../endpoint.ts'
import type { FleetView, HostView } from '../fleet/fleet.ts'
import { duration, table } from './table.ts'

/** The readable output of `fleet`: a line for each host, and the refused builds. */
export function fleetView({ name, maxDown, hosts, refusedBuilds }: FleetView): string[] {
  if (hosts.length === 0 && refusedBuilds.length === 0) return [`${name} has no hosts`]
  const headings = [
    'host',
    'state',
    'build',
    'version',
    'busy',
    'queued',
    'lease',
    'address',
    'pid',
    'last reload',
  ]
  const rows = hosts.map((host) => [
    host.host,
    stateOf(host),
    host.build,
    host.version,
    `${host.workers.busy}/${host.workers.total}`,
    String(host.queue.length),
    leaseOf(host),
    endpointsText(host),
    String(host.pid),
    host.lastReload === null ? '-' : `${host.lastReload.outcome} at ${host.lastReload.at}`,
  ])
  const most = maxDown === null ? '' : `; at most ${maxDown} may be down at a time`
  const refused = refusedBuilds.map(
    ({ build, host, reason, at }) =>
      `build ${build} is refused because it did not get ready on ${host} at ${at}: ${reason}`,
  )
  const head = `${name}: ${hosts.length} ${hosts.length === 1 ? 'host' : 'hosts'}${most}`
  return [head, ...table(headings, rows), ...refused]
}

function stateOf({ state, silentMs, permit }: HostView): string {
  if (state === 'dead') return `dead, silent for ${duration(silentMs)}`
  if (state === 'stopped') return `stopped ${duration(silentMs)} ago`
  if (permit === null) return state
  return permit === 'waiting' ? `${state}, waiting for a permit` : `${state}, ${permit}`
}

function leaseOf({ lease }: HostView): string {
  if (lease?.token == null) return '-'
  return `slot ${lease.slot}, token ${lease.token}`
}
