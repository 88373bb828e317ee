import type { ServiceEvent } from '../../lifecycle/event-kinds.ts'
import { announce } from './announce.ts'
import { byId, element, sync } from './dom.ts'
import { timeOf } from './format.ts'
import { isNews, shownAs } from './kinds.ts'

/** The number of events kept; a status contains only the latest. */
const maxKept = 100

/** The events since this page was opened, and a few before. */
export class EventList {
  #events: readonly ServiceEvent[] = []
  #hasBegun = false

  /** Oldest first. */
  get all(): readonly ServiceEvent[] {
    return this.#events
  }

  /** @param latest - the latest events, oldest first */
  update(latest: readonly ServiceEvent[]): void {
    const known = new Set(this.#events.map(keyOf))
    const fresh = latest.filter((event) => !known.has(keyOf(event)))
    if (fresh.length === 0 && this.#hasBegun) return
    this.#events = [...this.#events, ...fresh].slice(-maxKept)
    // Events from before the page was opened are not news.
    if (this.#hasBegun) {
      const news = fresh.filter(isNews)
      if (news.length > 0) announce(news.map(({ text }) => text).join('. '))
    }
    this.#hasBegun = true
    sync(byId('events'), this.#events.toReversed(), { key: keyOf, create: createItem })
  }
}

/** A restarted service numbers its events from the beginning, so the number alone is not unique. */
function keyOf({ seq, at }: ServiceEvent): string {
  return `${seq} ${at}`
}

function createItem(event: ServiceEvent): HTMLElement {
  const item = element('li')
  item.dataset['tone'] = shownAs(event).tone
  item.dataset['kind'] = event.kind
  const time = element('time', '', timeOf(event.at))
  time.setAttribute('datetime', event.at)
  const marker = element('span', 'marker')
  marker.dataset['tone'] = shownAs(event).tone
  item.append(time, marker, element('span', 'text', event.text))
  return item
}
