import type { ServiceEvent } from '../../lifecycle/event-kinds.ts'
import type { Look } from '../history.ts'
import { byId } from './dom.ts'
import { count, milliseconds, rate } from './format.ts'
import { shownAs } from './kinds.ts'
import { Plot, spanSeconds } from './plot.ts'
import { Timeline } from './timeline.ts'

type Figure = keyof Omit<Look, 'atMs'>

/** The plots, one above the other, over the same span of time. */
export class HistoryView {
  readonly #rate = new Plot({ title: 'Connections', unit: '/ s', word: rate })
  readonly #queue = new Plot({ title: 'Queue', unit: 'waiting', word: count })
  readonly #handling = new Plot({ title: 'Handling, p99', unit: '', word: milliseconds })
  readonly #timeline = new Timeline()
  #looks: readonly Look[] = []

  constructor() {
    const plots = [this.#rate, this.#queue, this.#handling, this.#timeline]
    byId('history').append(...plots.map(({ lane }) => lane))
  }

  /** Adds the service's own history to what this page has seen of an earlier primary. */
  begin(history: readonly Look[]): void {
    const from = history[0]?.atMs ?? Number.POSITIVE_INFINITY
    this.#looks = [...this.#looks.filter(({ atMs }) => atMs < from), ...history]
  }

  /** @param queueAge - the age of the first connection in the queue, in words */
  update(look: Look, events: readonly ServiceEvent[], queueAge: string): void {
    const fromMs = look.atMs - spanSeconds * 1_000
    const later = this.#looks.filter(({ atMs }) => atMs > fromMs && atMs < look.atMs)
    this.#looks = [...later, look]
    const now = look.atMs / 1_000
    const deploys = events
      .filter((event) => shownAs(event).isDeploy === true)
      .map((event) => ({ at: Date.parse(event.at) / 1_000, tone: shownAs(event).tone }))
      .filter(({ at }) => at > now - spanSeconds)
    const common = { now, deploys }
    const most = Math.max(...this.#looks.map(({ perSecond }) => perSecond))
    this.#rate.update({
      ...common,
      first: this.#points('perSecond'),
      detail: `at most ${rate(most)}`,
    })
    this.#queue.update({ ...common, first: this.#points('queued'), detail: queueAge })
    this.#handling.update({
      ...common,
      first: this.#points('handlingP99'),
      second: this.#points('handlingP50'),
      detail: look.handlingP50 === null ? '' : `half within ${milliseconds(look.handlingP50)}`,
    })
    this.#timeline.update(events, now)
  }

  #points(figure: Figure) {
    return this.#looks.map((look) => ({ at: look.atMs / 1_000, value: look[figure] }))
  }
}
