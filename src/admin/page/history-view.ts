import type { ServiceEvent } from '../../lifecycle/event-kinds.ts'
import type { Sample } from '../history.ts'
import { byId } from './dom.ts'
import { count, milliseconds, rate } from './format.ts'
import { shownAs } from './kinds.ts'
import { Plot, spanSeconds } from './plot.ts'
import { Timeline } from './timeline.ts'

type Figure = keyof Omit<Sample, 'atMs'>

/** The plots, one above the other, over the same span of time. */
export class HistoryView {
  readonly #rate = new Plot({ title: 'Connections', unit: '/ s', word: rate })
  readonly #queue = new Plot({ title: 'Queue', unit: 'waiting', word: count })
  readonly #handling = new Plot({ title: 'Handling, p99', unit: '', word: milliseconds })
  readonly #timeline = new Timeline()
  #samples: readonly Sample[] = []

  constructor() {
    const plots = [this.#rate, this.#queue, this.#handling, this.#timeline]
    byId('history').append(...plots.map(({ lane }) => lane))
  }

  /** Adds the service's own history to what this page has seen of an earlier primary. */
  begin(history: readonly Sample[]): void {
    const from = history[0]?.atMs ?? Number.POSITIVE_INFINITY
    this.#samples = [...this.#samples.filter(({ atMs }) => atMs < from), ...history]
  }

  /** @param queueAge - the age of the first connection in the queue, in words */
  update(sample: Sample, events: readonly ServiceEvent[], queueAge: string): void {
    const fromMs = sample.atMs - spanSeconds * 1_000
    const later = this.#samples.filter(({ atMs }) => atMs > fromMs && atMs < sample.atMs)
    this.#samples = [...later, sample]
    const now = sample.atMs / 1_000
    const deploys = events
      .filter((event) => shownAs(event).isDeploy === true)
      .map((event) => ({ at: Date.parse(event.at) / 1_000, tone: shownAs(event).tone }))
      .filter(({ at }) => at > now - spanSeconds)
    const common = { now, deploys }
    const most = Math.max(...this.#samples.map(({ perSecond }) => perSecond))
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
      detail: sample.handlingP50 === null ? '' : `half within ${milliseconds(sample.handlingP50)}`,
    })
    this.#timeline.update(events, now)
  }

  #points(figure: Figure) {
    return this.#samples.map((sample) => ({ at: sample.atMs / 1_000, value: sample[figure] }))
  }
}
