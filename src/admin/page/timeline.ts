import type { ServiceEvent } from '../../lifecycle/events.ts'
import { element, sync } from './dom.ts'
import { timeOf } from './format.ts'
import { shownAs } from './kinds.ts'
import { spanSeconds } from './plot.ts'

/** A label needs so much of the line's width. */
const labelShare = 0.13

/** Something on the line, and whether there is room for its word. */
interface Placed {
  readonly event: ServiceEvent
  readonly share: number
  readonly label: string | undefined
}

/** When what happened, under the plots. The list of events says the same in words, for who does not see it. */
export class Timeline {
  readonly lane = element('div', 'lane')
  readonly #line = element('div', 'timeline')

  constructor() {
    const axis = element('div', 'axis')
    axis.append(element('span', '', '5 min ago'), element('span', '', 'now'))
    const right = element('div')
    right.append(this.#line, axis)
    this.lane.ariaHidden = 'true'
    this.lane.append(element('h3', '', 'Events'), right)
  }

  /** @param now - in seconds since the epoch */
  update(events: readonly ServiceEvent[], now: number): void {
    const placed = place(events, now)
    const markers = placed.map((one) => ({ ...one, part: 'marker' as const }))
    const labels = placed
      .filter(({ label }) => label !== undefined)
      .map((one) => ({ ...one, part: 'label' as const }))
    sync(this.#line, [...markers, ...labels], {
      key: ({ event, part }) => `${part} ${event.seq} ${event.at}`,
      create: ({ event, part, label }) => {
        const made =
          part === 'marker'
            ? element('span', 'marker')
            : element('span', 'marker-label', label ?? '')
        made.title = `${timeOf(event.at)} ${event.text}`
        made.dataset['tone'] = shownAs(event).tone
        made.dataset['kind'] = event.kind
        return made
      },
      update: (made, { share, part }) => {
        made.style.left = `${(share * 100).toFixed(2)}%`
        if (part === 'label') made.classList.toggle('before', share > 1 - labelShare)
      },
    })
  }
}

function place(events: readonly ServiceEvent[], now: number): Placed[] {
  let free = 0
  return events.flatMap((event) => {
    const share = 1 - (now - Date.parse(event.at) / 1_000) / spanSeconds
    // That a reload has begun is seen by how it ended.
    if (share < 0 || share > 1 || event.kind === 'reload-begun') return []
    const from = share > 1 - labelShare ? share - labelShare : share
    const hasRoom = from >= free
    const { label } = shownAs(event)
    if (hasRoom && label !== undefined) free = from + labelShare
    return [{ event, share, label: hasRoom ? label : undefined }]
  })
}
