import type { Metric, Registry } from 'prom-client'
import type { HistogramTotals } from '../status.ts'

/** A histogram that is kept elsewhere already: prom-client's own would measure everything a second time. */
export function addDurations(
  registry: Registry,
  name: string,
  help: string,
  read: () => HistogramTotals,
): void {
  // All that a registry asks of a metric.
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

/** Prometheus's buckets hold the smaller ones, too. */
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
