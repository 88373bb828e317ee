import type { Metric, Registry } from 'prom-client'
import type { HistogramTotals } from '../status.ts'

/** Registers a histogram that is already kept elsewhere: prom-client's own would measure everything a second time. */
export function addDurations(
  registry: Registry,
  name: string,
  help: string,
  read: () => HistogramTotals,
): void {
  // The only members that a registry uses.
  const metric = {
    name,
    help,
    get: async () => ({ name, help, type: 'histogram', values: valuesOf(name, read()) }),
  }
  registry.registerMetric(metric as unknown as Metric)
}

interface Value {
  readonly metricName: string
  readonly value: number
  readonly labels: Readonly<Record<string, string | number>>
}

/** Prometheus's buckets are cumulative: each includes all smaller ones. */
function valuesOf(name: string, { buckets, counts, sumSeconds }: HistogramTotals): Value[] {
  let count = 0
  const cumulated = counts.map((inBucket, at) => {
    count += inBucket
    return { metricName: `${name}_bucket`, value: count, labels: { le: buckets[at] ?? '+Inf' } }
  })
  return [
    ...cumulated,
    { metricName: `${name}_sum`, value: sumSeconds, labels: {} },
    { metricName: `${name}_count`, value: count, labels: {} },
  ]
}
