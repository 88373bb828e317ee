import { endpointsText } from '../../endpoint.ts'
import { permitLine } from '../../fleet/permit-line.ts'
import type { LeaseStatus } from '../../lease/lease.ts'
import type { Percentiles, ReloadResult, Status } from '../../status.ts'
import { ago, busyOf, megabytes, memoryOf, perSecond, shortTime } from '../amounts.ts'
import { expiryLines } from '../certificate-expiry.ts'
import { drainLine } from '../drain-progress.ts'
import { duration } from '../table.ts'
import { type Line, type Style, span } from './paint.ts'

/** A line of facts, the most important first: those that do not fit are left out. */
type Pieces = readonly Line[]

const stateStyles: Readonly<Record<Status['state'], Style>> = {
  starting: 'yellow',
  standby: 'yellow',
  binding: 'yellow',
  serving: 'green',
  degraded: 'red',
  draining: 'yellow',
  stopped: 'red',
}

/** The essential facts, shown in a window of any size: the service's state, its rate, and its queue. */
export function vitalFacts(status: Status, now: Date): Pieces[] {
  const { name, version, state, generation, uptimeMs, pid, supervisor } = status
  const { lease, fleet, drain, rates, queue, workers } = status
  return [
    [
      [span(name, 'bold')],
      [span(state, stateStyles[state])],
      text(`g${generation}`),
      text(`up ${duration(uptimeMs)}`),
      text(endpointsText(status)),
      text(now.toTimeString().slice(0, 8)),
      text(`process ${pid}`),
      text(supervisor.attached ? 'under pm2' : 'without pm2'),
      text(`version ${version}`),
    ],
    ...(lease === null ? [] : [leasePieces(lease)]),
    ...(status.waiting ? [labelled('waiting', status.waiting.reason)] : []),
    ...(drain === null ? [] : [labelled('drain', drainLine(drain), drain.cause)]),
    ...(fleet?.waiting ? [labelled('fleet', permitLine(fleet.waiting))] : []),
    labelled(
      'rate',
      `${perSecond(rates.perSecond)} conn/s`,
      `busy ${busyOf(workers)}`,
      times('wait', rates.waitMs),
      times('handling', rates.handlingMs),
    ),
    labelled(
      'queue',
      queue.length === 0
        ? `0 of ${queue.max}`
        : `${queue.length} of ${queue.max}, oldest ${duration(queue.oldestMs)}`,
      `memory ${megabytes(memoryOf(status))}`,
    ),
  ]
}

/** All facts. */
export function facts(status: Status, now: Date): Pieces[] {
  const { connections: c, lastReload, certificates = [] } = status
  const [soonest] = expiryLines(certificates, now)
  return [
    ...vitalFacts(status, now),
    labelled(
      'total',
      `${c.served} served`,
      `${c.failed} failed`,
      `${c.shed} shed`,
      `${c.expired} expired`,
      `${c.gone} gone`,
      `${c.accepted} accepted`,
    ),
    labelled('reload', lastReload === null ? 'none' : reloadText(lastReload, now)),
    ...(soonest === undefined ? [] : [labelled('tls', soonest)]),
  ]
}

const text = (what: string): Line => [span(what)]

/** Joins the label to the first piece, so that the two are only left out together. */
function labelled(label: string, first: string, ...others: string[]): Pieces {
  return [[span(label.padEnd(8), 'dim'), span(first)], ...others.map(text)]
}

function times(what: string, percentiles: Percentiles | null): string {
  if (percentiles === null) return `${what} -`
  return `${what} ${shortTime(percentiles.p50)}, p99 ${shortTime(percentiles.p99)}`
}

function leasePieces({ held, token, validForMs, holder, since, reason }: LeaseStatus): Pieces {
  if (held) {
    return labelled('lease', `held, token ${token}`, `valid for ${shortTime(validForMs ?? 0)}`)
  }
  const others = since === null ? [] : [`since ${since}`]
  if (holder === null) return labelled('lease', `not held${reason === null ? '' : `: ${reason}`}`)
  return labelled('lease', `held by ${holder}`, ...others)
}

function reloadText({ at, outcome, reason, durationMs }: ReloadResult, now: Date): string {
  const when = `${outcome} ${ago(at, now)} ago`
  return reason === null ? `${when}, in ${shortTime(durationMs)}` : `${when}: ${reason}`
}
