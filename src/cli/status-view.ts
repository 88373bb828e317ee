import type { Status, WorkerStatus } from '../status.ts'
import { drainLine } from './drain-progress.ts'
import { duration, table } from './table.ts'

/** `status` for people: a few lines and the workers. */
export function statusView(status: Status): string {
  const { name, version, build, state, listen, pid, uptimeMs, generation } = status
  const { queue, connections: c, lastReload, drain, supervisor } = status
  const rows: [string, string][] = [
    ['service', `${name} ${version}, build ${build}`],
    ['state', `${state}, generation ${generation}, up ${duration(uptimeMs)}`],
    // A line of its own while it lasts, and none otherwise.
    ...(drain ? [['drain', `${drainLine(drain)} (${drain.cause})`] as [string, string]] : []),
    ['listen', `${listen.host}:${listen.port}`],
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
      `${c.accepted} accepted: ${c.served} served, ${c.active} in hand, ${c.queued} queued`,
    ],
    ['', `${c.failed} failed, ${c.shed} shed, ${c.expired} expired, ${c.gone} gone`],
    ['last reload', lastReload === null ? 'none' : reloadLine(lastReload)],
  ]
  const facts = rows.map(([label, value]) => `${label.padEnd(12)}${value}`).join('\n')
  return `${facts}\n\n${workersView(status.workers)}`
}

/** `workers` for people. */
export function workersView(workers: readonly WorkerStatus[]): string {
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

function reloadLine(last: NonNullable<Status['lastReload']>): string {
  const { at, outcome, reason, durationMs } = last
  return `${outcome} at ${at} in ${durationMs} ms${reason === null ? '' : `: ${reason}`}`
}
