import { endpointsText } from '../../endpoint.ts'
import type { CertificateStatus, Status } from '../../status.ts'
import { byId, element, setText, setTone, show, sync, type Tone } from './dom.ts'
import { count, milliseconds, span, timeOf } from './format.ts'

const tones: { readonly [State in Status['state']]: Tone } = {
  starting: 'plain',
  standby: 'plain',
  binding: 'plain',
  serving: 'good',
  degraded: 'warn',
  draining: 'warn',
  stopped: 'bad',
}

/** A certificate that is not renewed in this time before its end has been forgotten, in milliseconds. */
const renewalMs = 14 * 86_400_000

/** The bad outcomes. */
const isBad: ReadonlySet<string> = new Set(['failed', 'shed', 'expired'])

/** Shows the service's identity and current state. */
export function showOverview(status: Status): void {
  const { name, state, pid, uptimeMs } = status
  document.title = state === 'serving' ? name : `${name}: ${state}`
  show('name', name)
  show('state', state, tones[state])
  show('address', endpointsText(status))
  show('uptime', span(uptimeMs))
  show('pid', String(pid))
  show('generation', String(status.generation))
  show('version', status.version)
  show('build', status.build)
  showWorkers(status)
  showWait(status)
  showLease(status)
  showReload(status)
  showSupervisor(status)
  showAccount(status)
}

function showWorkers({ workers }: Status): void {
  const busy = workers.filter((worker) => worker.state === 'busy').length
  const idle = workers.filter((worker) => worker.state === 'idle').length
  const others = workers.length - busy - idle
  show('busy', `${busy} of ${workers.length} busy`)
  show('busy-detail', others === 0 ? `${idle} idle` : `${idle} idle, ${others} starting or ending`)
}

function showWait({ rates: { waitMs } }: Status): void {
  show('wait', waitMs === null ? '–' : milliseconds(waitMs.p99))
  show(
    'wait-detail',
    waitMs === null
      ? 'no connection served lately'
      : `p99; half within ${milliseconds(waitMs.p50)}`,
  )
}

function showLease({ lease }: Status): void {
  if (lease === null) {
    show('lease', 'not shared')
    show('lease-detail', 'this host serves alone')
  } else if (lease.held) {
    show('lease', 'held', 'good')
    const valid = lease.validForMs === null ? '' : `, valid ${milliseconds(lease.validForMs)}`
    show('lease-detail', `token ${lease.token}${valid}`)
  } else {
    show('lease', lease.holder === null ? 'not held' : `held by ${lease.holder}`, 'plain')
    const since = lease.since === null ? '' : `since ${timeOf(lease.since)}`
    show('lease-detail', lease.holder === null ? (lease.reason ?? '') : since)
  }
}

function showReload({ lastReload, drain, waiting, certificates = [] }: Status): void {
  const alert = byId('alert')
  if (lastReload === null) {
    show('reload', 'none yet')
    show('reload-detail', 'since the start')
  } else {
    const isDone = lastReload.outcome === 'done'
    show('reload', lastReload.outcome, isDone ? undefined : 'bad')
    show('reload-detail', `${timeOf(lastReload.at)}, took ${milliseconds(lastReload.durationMs)}`)
  }
  const texts = [
    waiting ? `Not serving: ${waiting.reason}.` : '',
    drain === null
      ? ''
      : `Draining (${drain.cause}): ${drain.queued} queued, ${drain.inHand} active, at most ${span(drain.remainingMs)} left.`,
    lastReload?.outcome === 'failed'
      ? `The last reload failed; the old generation keeps serving: ${lastReload.reason ?? 'no reason given'}`
      : '',
    ...certificates.map((one) => expiryText(one)),
  ]
  setText(alert, texts.filter((text) => text !== '').join(' '))
  alert.hidden = alert.textContent === ''
}

/** Empty for a certificate that is good for a while. */
function expiryText({ endpoint, serverName, expiresAt }: CertificateStatus): string {
  const leftMs = Date.parse(expiresAt) - Date.now()
  if (leftMs > renewalMs) return ''
  const name = serverName === null ? endpoint : `${serverName} at ${endpoint}`
  return `The certificate of ${name} ${leftMs > 0 ? `expires in ${span(leftMs)}` : 'has expired'}.`
}

function showSupervisor({ supervisor }: Status): void {
  show('supervisor', supervisor.attached ? 'pm2' : 'none')
  show('supervisor-detail', supervisor.attached ? `bridge ${supervisor.pid}` : 'runs by itself')
}

function showAccount({ connections }: Status): void {
  sync(byId('account'), Object.entries(connections), {
    key: ([what]) => what,
    create: ([what]) => {
      const made = element('div')
      made.append(element('dt', '', what), element('dd'))
      return made
    },
    update: (made, [what, many]) => {
      const figure = made.lastElementChild as HTMLElement
      setText(figure, count(many))
      setTone(figure, isBad.has(what) && many > 0 ? 'bad' : undefined)
    },
  })
}
