import type { ServiceEvent } from '../../lifecycle/event-kinds.ts'
import { element, sync } from './dom.ts'
import { timeOf } from './format.ts'
import { shownAs } from './kinds.ts'
import { spanSeconds } from './plot.ts'

/** The space that a label needs, in pixels. */
const labelWidth = 96
/** Markers closer together than this look like one, in pixels. */
const markerWidth = 12

/** An event on the line, and whether there is room for its label. */
interface Placed {
  readonly event: ServiceEvent
  readonly share: number
  /** The side of the marker on which the label is. */
  readonly side: 'before' | 'after' | undefined
}

/** An element on the line. */
interface Part {
  readonly placing: Placed
  readonly isLabel: boolean
}

/** The times of events, below the plots. The list of events conveys the same in text, for users of screen readers. */
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
    const width = Math.max(labelWidth, this.#line.clientWidth)
    const placed = place(events, now, labelWidth / width, markerWidth / width)
    const labelled = placed.filter(({ side }) => side !== undefined)
    const parts: Part[] = [
      ...placed.map((placing) => ({ placing, isLabel: false })),
      ...labelled.map((placing) => ({ placing, isLabel: true })),
    ]
    sync(this.#line, parts, { key: keyOf, create: createPart, update: updatePart })
  }
}

function keyOf({ placing: { event }, isLabel }: Part): string {
  return `${isLabel} ${event.seq} ${event.at}`
}

function createPart({ placing: { event }, isLabel }: Part): HTMLElement {
  const { tone, label } = shownAs(event)
  const made = isLabel ? element('span', 'marker-label', label) : element('span', 'marker')
  made.title = `${timeOf(event.at)} ${event.text}`
  made.dataset['tone'] = tone
  made.dataset['kind'] = event.kind
  return made
}

function updatePart(made: HTMLElement, { placing: { share, side }, isLabel }: Part): void {
  made.style.left = `${(share * 100).toFixed(2)}%`
  if (isLabel) made.classList.toggle('before', side === 'before')
}

/**
 * Places labels, those of deploys first, then those of the latest events, as long as none overlaps another label or
 * marker. Of markers that look like one, only the first in this order may have a label: a label beside a deploy's
 * marker is always the deploy's.
 */
function place(events: readonly ServiceEvent[], now: number, room: number, near: number): Placed[] {
  const onLine = events
    .map((event) => ({ event, share: 1 - (now - Date.parse(event.at) / 1_000) / spanSeconds }))
    // The event at the end of a reload also implies its beginning.
    .filter(({ event, share }) => share >= 0 && share <= 1 && event.kind !== 'reload-begun')
  const taken: [from: number, to: number][] = []
  const isNear = (one: number, other: number) => Math.abs(one - other) < near
  const isFree = (from: number, to: number, own: number) =>
    from >= 0 &&
    to <= 1 &&
    taken.every(([start, end]) => to <= start || from >= end) &&
    onLine.every(({ share }) => isNear(share, own) || share <= from || share >= to)
  const sides = new Map<ServiceEvent, Placed['side']>()
  const deploysFirst = onLine
    .toReversed()
    .toSorted((a, b) => Number(isDeploy(b.event)) - Number(isDeploy(a.event)))
  for (const [at, { event, share }] of deploysFirst.entries()) {
    if (shownAs(event).label === undefined) continue
    if (deploysFirst.slice(0, at).some((before) => isNear(before.share, share))) continue
    const side = isFree(share, share + room, share)
      ? 'after'
      : isFree(share - room, share, share)
        ? 'before'
        : undefined
    if (side === 'after') taken.push([share, share + room])
    if (side === 'before') taken.push([share - room, share])
    sides.set(event, side)
  }
  return onLine.map(({ event, share }) => ({ event, share, side: sides.get(event) }))
}

function isDeploy(event: ServiceEvent): boolean {
  return shownAs(event).isDeploy === true
}
