import { ago, busyOf, perSecond, shortTime } from '../cli/amounts.ts'
import type { Status } from '../status.ts'

/** A row of `pm2 monit`. */
export interface Figure {
  readonly name: string
  readonly value: (status: Status, at: Date) => string
}

/** Short, to leave room for its value: the row reads `Now serving g12`. */
const now = 'Now'

/**
 * How many characters a name and its value may have together: on a terminal of 80 by 24, `pm2 monit` has 24
 * columns for both, less its frame, its scroll bar and a mark between the two. A longer row loses its last
 * word.
 */
const rowLength = 14

/**
 * The figures that pm2 shows of the service, the most vital first: on a terminal of 80 by 24, `pm2 monit` has
 * room for four rows. They contain no braces, which are tags there.
 */
export const figures: readonly Figure[] = [
  { name: now, value: stateOf },
  { name: 'Busy', value: ({ workers }) => busyOf(workers) },
  { name: 'Queue', value: ({ queue }) => String(queue.length) },
  { name: 'Conn/s', value: ({ rates }) => perSecond(rates.perSecond) },
  {
    name: 'p99',
    value: ({ rates }) => (rates.handlingMs === null ? '-' : shortTime(rates.handlingMs.p99)),
  },
  {
    name: 'Reload',
    value: ({ lastReload }, at) =>
      lastReload === null ? '-' : `${lastReload.outcome} ${ago(lastReload.at, at)}`,
  },
]

/** While another host serves, its name replaces the state: `Now by web-2`. */
function stateOf({ state, generation, lease }: Status): string {
  if (state !== 'standby') return `${state} g${generation}`
  const holder = lease?.holder ?? null
  return holder === null ? state : `by ${cut(shortHost(holder), rowLength - `${now}by `.length)}`
}

/** A host's own name, without its domain and without the suffix that distinguishes hosts on one machine. */
function shortHost(holder: string): string {
  const [host = ''] = holder.replaceAll(/[{}]/g, '').split(':/')
  return /^[\d.:]+$/.test(host) ? host : (host.split('.')[0] ?? host)
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`
}
