import { element, setText } from './dom.ts'

/** How far the plots go back, in seconds. */
export const spanSeconds = 300
const height = 100
/** A gap longer than this is shown as a gap, in seconds. */
const gapSeconds = 4

/** A value at a moment, in seconds since the epoch; null where there was none. */
export interface Point {
  readonly at: number
  readonly value: number | null
}

/** The moment of a deploy. */
export interface Deploy {
  readonly at: number
  readonly tone: string
}

export interface PlotOptions {
  readonly title: string
  readonly unit: string
  /** The name of the second, quieter line; omitted where there is one line. */
  readonly second?: string
  readonly word: (value: number) => string
}

/** The current content of a plot. */
export interface Reading {
  readonly now: number
  readonly first: readonly Point[]
  readonly second?: readonly Point[]
  /** Shown below the value. */
  readonly detail: string
  readonly deploys: readonly Deploy[]
}

/** A plot of a figure over the last minutes, with its current value in words. */
export class Plot {
  readonly lane = element('div', 'lane')
  readonly #options: PlotOptions
  readonly #value = element('span')
  readonly #detail = element('p', 'detail')
  readonly #limit = element('span', 'limit')
  readonly #svg = shape('svg', { viewBox: `0 0 ${spanSeconds} ${height}` })
  readonly #area = shape('path', { class: 'area' })
  readonly #first = shape('path', { class: 'first' })
  readonly #second = shape('path', { class: 'second' })
  readonly #deploys = shape('g', {})

  constructor(options: PlotOptions) {
    this.#options = options
    const value = element('p', 'value')
    value.append(this.#value, element('span', 'unit', ` ${options.unit}`))
    const reading = element('div', 'reading')
    reading.append(element('h3', '', options.title), value, this.#detail)
    this.#svg.setAttribute('preserveAspectRatio', 'none')
    this.#svg.setAttribute('role', 'img')
    const top = shape('line', { class: 'grid', x1: 0, x2: spanSeconds, y1: 0, y2: 0 })
    this.#svg.append(top, this.#area, this.#second, this.#first, this.#deploys)
    const plot = element('div', 'plot')
    this.#limit.ariaHidden = 'true'
    plot.append(this.#svg, this.#limit)
    this.lane.append(reading, plot)
  }

  update({ now, first, second = [], detail, deploys }: Reading): void {
    const { title, word, unit } = this.#options
    const from = now - spanSeconds
    const values = valuesOf(first)
    const most = Math.max(...values, ...valuesOf(second))
    const limit = roundUp(most)
    const last = first.at(-1)?.value ?? null
    setText(this.#value, last === null ? '–' : word(last))
    setText(this.#detail, detail)
    setText(this.#limit, `${word(limit)} ${unit}`.trim())
    const place = ({ at, value }: Point) =>
      `${(at - from).toFixed(1)} ${(height - ((value ?? 0) / limit) * height).toFixed(1)}`
    const runs = runsOf(first)
    this.#first.setAttribute('d', runs.map((run) => `M${run.map(place).join('L')}`).join(''))
    this.#area.setAttribute('d', runs.map((run) => areaUnder(run, from, place)).join(''))
    const seconds = runsOf(second).map((run) => `M${run.map(place).join('L')}`)
    this.#second.setAttribute('d', seconds.join(''))
    this.#deploys.replaceChildren(
      ...deploys.map(({ at, tone }) => {
        const x = (at - from).toFixed(1)
        const line = shape('line', { class: 'deploy', x1: x, x2: x, y1: 0, y2: height })
        line.dataset['tone'] = tone
        return line
      }),
    )
    const told = (value: number) => `${word(value)} ${unit}`.trim()
    const range = `between ${told(Math.min(...values))} and ${told(Math.max(...values))}`
    this.#svg.ariaLabel =
      values.length === 0
        ? `${title}, last five minutes: nothing yet`
        : `${title}, last five minutes: ${last === null ? 'nothing' : told(last)} now, ${range}`
  }
}

type Attributes = Readonly<Record<string, string | number>>

function shape(name: string, attributes: Attributes): SVGElement {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value))
  return made
}

function valuesOf(points: readonly Point[]): number[] {
  return points.flatMap(({ value }) => (value === null ? [] : [value]))
}

/** Splits the points into stretches without a gap. */
function runsOf(points: readonly Point[]): Point[][] {
  const runs: Point[][] = []
  let last: Point | undefined
  for (const point of points) {
    if (point.value === null) {
      last = undefined
      continue
    }
    if (last === undefined || point.at - last.at > gapSeconds) runs.push([])
    runs.at(-1)?.push(point)
    last = point
  }
  return runs
}

function areaUnder(run: readonly Point[], from: number, place: (point: Point) => string): string {
  const [begin] = run
  const end = run.at(-1)
  if (begin === undefined || end === undefined) return ''
  const line = run.map(place).join('L')
  return `M${(begin.at - from).toFixed(1)} ${height}L${line}L${(end.at - from).toFixed(1)} ${height}Z`
}

/** Rounds up to the next 1, 2 or 5 times a power of ten, so that the scale seldom changes. */
function roundUp(value: number): number {
  if (!(value > 0)) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  return power * ([1, 2, 5, 10].find((step) => step * power >= value) ?? 10)
}
