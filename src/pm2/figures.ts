import { ago, busyOf, perSecond, shortTime } from '../cli/amounts.ts'
import { duration } from '../cli/table.ts'
import type { Status } from '../status.ts'

/** A row of `pm2 monit`. */
export interface Figure {
  readonly name: string
  readonly value: (status: Status, now: Date) => string
}

/** A queue whose oldest connection waits longer than this says so, in milliseconds. */
const longWaitMs = 1_000

/**
 * What pm2 shows of the service, the most vital first: on a terminal of 80 by 24, `pm2 monit` has room for four rows of
 * 20 characters, and cuts what is longer, the value included. No braces: they are tags there.
 */
export const figures: readonly Figure[] = [
  { name: 'State', value: stateOf },
  { name: 'Busy', value: ({ workers }) => busyOf(workers) },
  { name: 'Queue', value: queueOf },
  { name: 'Conn/s', value: ({ rates }) => perSecond(rates.perSecond) },
  {
    name: 'p99',
    value: ({ rates }) => (rates.handlingMs === null ? '-' : shortTime(rates.handlingMs.p99)),
  },
  {
    name: 'Reload',
    value: ({ lastReload }, now) =>
      lastReload === null ? '-' : `${lastReload.outcome} ${ago(lastReload.at, now)}`,
  },
]

/** A host that stands by says who serves in its place, which matters more than its own generation. */
function stateOf({ state, generation, lease }: Status): string {
  if (state === 'standby' && lease !== null) return `standby ${shortHost(lease.holder)}`
  return `${state} g${generation}`
}

/** A host's own name, without its domain and without what tells several on one machine apart. */
function shortHost(holder: string | null): string {
  if (holder === null) return '?'
  const [host = ''] = holder.replaceAll(/[{}]/g, '').split(':/')
  return /^[\d.:]+$/.test(host) ? host : (host.split('.')[0] ?? host)
}

function queueOf({ queue: { length, oldestMs } }: Status): string {
  return length > 0 && oldestMs >= longWaitMs ? `${length} (${duration(oldestMs)})` : `${length}`
}
