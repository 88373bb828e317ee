import { megabytes, memoryOf } from '../cli/amounts.ts'
import { endpointsText } from '../endpoint.ts'
import type { LeaseStatus } from '../lease/lease.ts'
import type { ReloadResult, Status } from '../status.ts'

/** Rows of `pm2 describe`: a short label and its text. */
export type Description = readonly (readonly [label: string, text: string])[]

/** The rows of `pm2 describe` about the service: its address, its processes, and the result of the last deploy. */
export function description(status: Status, pidFile: string): Description {
  const { name, version, build, state, pid, workers, lastReload, lease } = status
  const processes = 1 + workers.filter((worker) => worker.pid !== null).length
  return [
    ['Service', `${name} ${version}, build ${build}`],
    ['Listens on', `${endpointsText(status)}${state === 'standby' ? ' once it serves' : ''}`],
    ['Primary', `process ${pid}, ${pidFile}`],
    ['Memory', `${megabytes(memoryOf(status))} in ${processes} processes`],
    ['Last reload', reloadText(lastReload)],
    ...(lease === null ? [] : [['Lease', leaseText(lease)] as const]),
  ]
}

function reloadText(reload: ReloadResult | null): string {
  if (reload === null) return 'none'
  const { outcome, at, durationMs, reason } = reload
  return reason === null
    ? `${outcome} at ${at} in ${durationMs} ms`
    : `${outcome} at ${at}: ${reason}`
}

function leaseText({ held, holder, token, since, reason }: LeaseStatus): string {
  if (held) return `held by this host (${holder}) since ${since}, token ${token}`
  if (holder !== null) return `held by ${holder} since ${since ?? 'an unknown time'}`
  return `not held${reason === null ? '' : `: ${reason}`}`
}
