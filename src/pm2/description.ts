import { megabytes, memoryOf } from '../cli/amounts.ts'
import { endpointText } from '../endpoint.ts'
import type { LeaseStatus } from '../lease/lease.ts'
import type { ReloadResult, Status } from '../status.ts'

/** Rows of `pm2 describe`: a word or two, and what there is to say. */
export type Description = readonly (readonly [label: string, text: string])[]

/** What `pm2 describe` shows of the service: where it is, what runs, and what the last deploy did. */
export function description(status: Status, pidFile: string): Description {
  const { name, version, build, state, listen, pid, workers, lastReload, lease } = status
  const processes = 1 + workers.filter((worker) => worker.pid !== null).length
  return [
    ['Service', `${name} ${version}, build ${build}`],
    ['Listens on', `${endpointText(listen)}${state === 'standby' ? ' once it serves' : ''}`],
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
