import { endpointsText } from '../../endpoint.ts'
import type { HostView, RefusedBuild } from '../../fleet/fleet.ts'
import type { LiveMessages } from '../live-messages.ts'
import { byId, element, setText, setTone, show, sync, type Tone } from './dom.ts'
import { count, span, timeOf } from './format.ts'

const tones: { readonly [State in HostView['state']]?: Tone } = {
  serving: 'good',
  degraded: 'warn',
  draining: 'warn',
  dead: 'bad',
}

/** Shows the hosts of the service, if it has several. */
export function showFleet({ view, reason }: LiveMessages['fleet']): void {
  byId('fleet').hidden = false
  if (view === null) {
    // The hosts shown stay on the page, as the last known state.
    show('fleet-detail', `Cannot query the other hosts: ${reason ?? 'no reason given'}`, 'bad')
    return
  }
  const { hosts, maxDown, refusedBuilds } = view
  const many = hosts.length === 1 ? '1 host' : `${hosts.length} hosts`
  show('fleet-detail', maxDown === null ? many : `${many}, at most ${maxDown} down at a time`)
  const key = ({ host }: HostView) => host
  sync(byId('hosts'), hosts, { key, create: createRow, update: updateRow })
  sync(byId('refused'), refusedBuilds, {
    key: ({ build, host, at }) => `${build} ${host} ${at}`,
    create: (refused) => element('li', '', wordsOf(refused)),
  })
}

function wordsOf({ build, host, reason, at }: RefusedBuild): string {
  return `Build ${build} is refused because it failed on ${host} at ${timeOf(at)}: ${reason}`
}

function createRow({ host }: HostView): HTMLElement {
  const row = element('tr')
  const head = element('th', '', host)
  head.setAttribute('scope', 'row')
  const classes = ['', '', 'number', 'number', '', '', '', 'number']
  row.append(head, ...classes.map((className) => element('td', className)))
  return row
}

function updateRow(row: HTMLElement, host: HostView): void {
  const { state, permit, workers, queue, lease, build, lastReload, silentMs } = host
  const isHere = state !== 'dead' && state !== 'stopped'
  const texts = [
    permit === null ? state : `${state}, ${permit === 'waiting' ? 'waits for a permit' : permit}`,
    endpointsText(host),
    isHere ? `${workers.busy} of ${workers.total}` : '–',
    isHere ? count(queue.length) : '–',
    lease?.token ? `slot ${lease.slot}, token ${lease.token}` : '–',
    build,
    lastReload === null ? '–' : `${lastReload.outcome} ${timeOf(lastReload.at)}`,
    silentMs < 3_000 ? 'now' : `${span(silentMs)} ago`,
  ]
  for (const [at, text] of texts.entries()) {
    const cell = row.children[at + 1]
    if (cell !== undefined) setText(cell, text)
  }
  setTone(row.children[1] as HTMLElement, tones[state])
  setTone(row.children[7] as HTMLElement, lastReload?.outcome === 'failed' ? 'bad' : undefined)
}
