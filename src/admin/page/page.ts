/** The page: shows what the service sends, for as long as it is open. */
import { announce } from './announce.ts'
import { askForToken, Control } from './control.ts'
import { show } from './dom.ts'
import { EventList } from './event-list.ts'
import { showFleet } from './fleet-table.ts'
import { count, milliseconds } from './format.ts'
import { HistoryView } from './history-view.ts'
import { showOverview } from './overview.ts'
import { follow } from './stream.ts'
import { showWorkerTable } from './workers.ts'

const history = new HistoryView()
const events = new EventList()
const control = new Control()

function link(state: 'live' | 'lost' | 'connecting', text: string): void {
  const before = document.body.dataset['link']
  document.body.dataset['link'] = state
  show('link', text)
  if (state === 'lost' && before === 'live') announce('The connection to the service is lost')
  if (state === 'live' && before === 'lost') announce('Connected to the service again')
}

await follow({
  onHello({ canAct, history: samples }) {
    history.begin(samples)
    control.begin(canAct)
    link('live', '')
  },
  onStatus({ look: sample, status }) {
    const { queue, workers } = status
    showOverview(status)
    showWorkerTable(workers)
    events.update(status.events)
    const age = queue.length === 0 ? '' : `; oldest ${milliseconds(queue.oldestMs)}`
    history.update(sample, events.all, `of ${count(queue.max)}${age}`)
    control.update(workers.length)
  },
  onFleet: showFleet,
  onLost(reason) {
    link('lost', reason ?? 'Connection lost; trying again')
  },
  onDenied: async () => {
    link('connecting', '')
    await askForToken()
  },
})
