import { endpointsText } from '../endpoint.ts'
import { permitLine } from '../fleet/permit-line.ts'
import type { LeaseStatus } from '../lease/lease.ts'
import type { Percentiles, Status, WorkerStatus } from '../status.ts'
import { expiryLines } from './certificate-expiry.ts'
import { drainLine } from './drain-progress.ts'
import { duration, table } from './table.ts'

/** The number of latest events shown. */
const eventsShown = 5

/** The readable output of `status`: a summary, the workers, and the latest events. */
export function statusView(status: Status, now = new Date()): string[] {
  const { name, version, build, state, pid, uptimeMs, generation } = status
  const { queue, connections: c, rates, lastReload, drain, lease, fleet } = status
  const { supervisor, events } = status
  const rows: [string, string][] = [
    ['service', `${name} ${version}, build ${build}`],
    ['state', `${state}, generation ${generation}, up ${duration(uptimeMs)}`],
    // A line of its own during a drain only.
    ...(drain ? [['drain', `${drainLine(drain)} (${drain.cause})`] as [string, string]] : []),
    ...(status.waiting
      ? [['waiting', `since ${status.waiting.since}: ${status.waiting.reason}`] as [string, string]]
      : []),
    ...(lease ? [['lease', leaseLine(lease)] as [string, string]] : []),
    ...(fleet?.waiting ? [['fleet', permitLine(fleet.waiting)] as [string, string]] : []),
    ['listen', endpointsText(status)],
    ...expiryLines(status.certificates ?? [], now).map((line, at): [string, string] => [
      at === 0 ? 'certificate' : '',
      line,
    ]),
    [
      'process',
      `${pid}, ${supervisor.attached ? `attached to pm2 by ${supervisor.pid}` : 'without pm2'}`,
    ],
    [
      'queue',
      `${queue.length} of ${queue.max}${queue.length > 0 ? `, oldest ${duration(queue.oldestMs)}` : ''}`,
    ],
    [
      'connections',
      `${c.accepted} accepted: ${c.served} served, ${c.active} active, ${c.queued} queued`,
    ],
    ['', `${c.failed} failed, ${c.shed} shed, ${c.expired} expired, ${c.gone} gone`],
    ['rate', `${rates.perSecond} a second${durationsOf(rates)}`],
    ['last reload', lastReload === null ? 'none' : reloadLine(lastReload)],
  ]
  const facts = rows.map(([label, value]) => `${label.padEnd(12)}${value}`)
  const happened = events.slice(-eventsShown).map(({ at, text }) => `${at}  ${text}`)
  return [facts, workersView(status.workers), happened]
    .filter((part) => part.length > 0)
    .flatMap((part, at) => (at === 0 ? part : [''].concat(part)))
}

/** The readable output of `workers`. */
export function workersView(workers: readonly WorkerStatus[]): string[] {
  const headings = ['worker', 'pid', 'state', 'generation', 'served', 'memory', 'busy', 'client']
  const rows = workers.map((worker) => [
    String(worker.slot),
    worker.pid === null ? '-' : String(worker.pid),
    worker.state,
    String(worker.generation),
    String(worker.served),
    `${Math.round(worker.rssBytes / 1_048_576)} MB`,
    worker.busyMs === null ? '-' : duration(worker.busyMs),
    worker.remote ?? '-',
  ])
  return table(headings, rows)
}

function leaseLine({
  held,
  token,
  slot,
  mode,
  validForMs,
  holder,
  since,
  reason,
}: LeaseStatus): string {
  if (!held) {
    return holder === null
      ? `not held${reason === null ? '' : `: ${reason}`}`
      : `held by ${holder} since ${since}`
  }
  const place = mode === 'slots' ? `, slot ${slot}` : ''
  return `held with token ${token}${place} since ${since}, valid for ${validForMs} ms without a renewal`
}

function durationsOf({ waitMs, handlingMs }: Status['rates']): string {
  const both = (title: string, times: Percentiles | null) =>
    times === null ? '' : `; ${title} ${times.p50} ms, 99 % within ${times.p99} ms`
  return `${both('wait', waitMs)}${both('handling', handlingMs)}`
}

function reloadLine(last: NonNullable<Status['lastReload']>): string {
  const { at, outcome, reason, durationMs } = last
  return `${outcome} at ${at} in ${durationMs} ms${reason === null ? '' : `: ${reason}`}`
}
