import type { WorkerStatus } from '../../status.ts'
import { byId, element, setText, setTone, sync } from './dom.ts'
import { count, mebibytes, milliseconds } from './format.ts'

/** Shows the workers: one square each, to see them all at a glance, and a table. */
export function showWorkerTable(workers: readonly WorkerStatus[]): void {
  // While one worker replaces another, both have the same slot.
  const key = ({ slot, generation, pid }: WorkerStatus) => `${slot} ${generation} ${pid}`
  sync(byId('squares'), workers, {
    key,
    create: () => element('span', 'square'),
    update: (square, { slot, state }) => {
      square.dataset['state'] = state
      square.title = `Worker ${slot}: ${state}`
    },
  })
  sync(byId('workers'), workers, { key, create: createRow, update: updateRow })
}

function createRow({ slot }: WorkerStatus): HTMLElement {
  const row = element('tr')
  const head = element('th', 'number', String(slot))
  head.setAttribute('scope', 'row')
  const cells = ['', '', 'number', 'number', 'number'].map((className) => element('td', className))
  row.append(head, ...cells)
  return row
}

function updateRow(row: HTMLElement, worker: WorkerStatus): void {
  const { state, remote, busyMs, served, rssBytes } = worker
  const texts = [
    state,
    remote ?? '–',
    busyMs === null ? '–' : milliseconds(busyMs),
    count(served),
    mebibytes(rssBytes),
  ]
  for (const [at, text] of texts.entries()) {
    const cell = row.children[at + 1]
    if (cell !== undefined) setText(cell, text)
  }
  const isBad = state === 'killing' || state === 'backing-off'
  setTone(row.children[1] as HTMLElement, isBad ? 'bad' : undefined)
}
