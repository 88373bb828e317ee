import type { StatsTotals, Status } from '../status.ts'
import { addDurations } from './durations.ts'
import { addProcessMetrics } from './process-metrics.ts'
import { Counter, Gauge, Registry } from './prom-client.ts'
import { type Snapshot, serviceMetrics } from './service-metrics.ts'

/** The source of the figures. */
export interface Measured {
  status(): Status
  totals(): StatsTotals
}

/** The figures in Prometheus's text format. They are read at each scrape, so they cost nothing in between. */
export class Exposition {
  readonly #registry = new Registry()
  readonly #measured: Measured
  #snapshot: Snapshot | undefined

  constructor(measured: Measured) {
    this.#measured = measured
    this.#addBuild()
    for (const metric of serviceMetrics) this.#add(metric)
    addDurations(
      this.#registry,
      'helloserver_connection_wait_seconds',
      'Time from acceptance to hand-over to a worker.',
      () => this.#now.totals.wait,
    )
    addDurations(
      this.#registry,
      'helloserver_connection_handling_seconds',
      'Time from hand-over to a worker to the end of the connection.',
      () => this.#now.totals.handling,
    )
    addProcessMetrics(this.#registry)
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  async text(): Promise<string> {
    this.#snapshot = { status: this.#measured.status(), totals: this.#measured.totals() }
    try {
      return await this.#registry.metrics()
    } finally {
      this.#snapshot = undefined
    }
  }

  /** The snapshot of the current scrape. */
  get #now(): Snapshot {
    return this.#snapshot ?? { status: this.#measured.status(), totals: this.#measured.totals() }
  }

  #addBuild(): void {
    const now = () => this.#now
    const build = new Gauge({
      name: 'helloserver_build_info',
      help: 'Name, version and build of the service; always 1.',
      labelNames: ['name', 'version', 'build', 'node'],
      registers: [],
      collect() {
        const { status } = now()
        this.reset()
        const { name, version, build: digest } = status
        this.set({ name, version, build: digest, node: process.version }, 1)
      },
    })
    this.#registry.registerMetric(build)
  }

  #add(metric: (typeof serviceMetrics)[number]): void {
    const { type, name, help, label } = metric
    const values = () =>
      Object.entries(metric.read(this.#now)).map(
        ([value, count]) => [label === undefined ? {} : { [label]: value }, count] as const,
      )
    const options = {
      name: `helloserver_${name}`,
      help,
      labelNames: label === undefined ? [] : [label],
      registers: [],
    }
    const counter = () =>
      new Counter({
        ...options,
        collect() {
          this.reset()
          for (const [labels, count] of values()) this.inc(labels, count)
        },
      })
    const gauge = () =>
      new Gauge({
        ...options,
        collect() {
          this.reset()
          // After the reset, a metric without a label starts again at 0, which would count as a value.
          if (label === undefined) this.remove()
          for (const [labels, count] of values()) this.set(labels, count)
        },
      })
    this.#registry.registerMetric(type === 'counter' ? counter() : gauge())
  }
}
