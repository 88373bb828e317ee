import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Histogram } from '../../../src/connections/histogram.ts'

test('a duration is in the bucket whose bounds it lies between', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 200_000, noNaN: true }), (ms) => {
      const histogram = new Histogram()
      histogram.add(ms)
      const { buckets, counts, sumSeconds } = histogram.totals(undefined)
      assert.equal(counts.length, buckets.length + 1)
      const at = counts.indexOf(1)
      assert.ok(at === buckets.length || ms / 1_000 <= (buckets[at] ?? 0))
      assert.ok(at === 0 || ms / 1_000 > (buckets[at - 1] ?? 0))
      assert.equal(sumSeconds, ms / 1_000)
    }),
  )
})

test('a bound belongs to its bucket', () => {
  const histogram = new Histogram()
  for (const ms of [0.125, 0.25, 64, 128]) histogram.add(ms)
  const { buckets, counts } = histogram.totals(undefined)
  const bounds = counts.flatMap((count, at) => (count > 0 ? [buckets[at]] : []))
  assert.deepEqual(bounds, [0.000125, 0.00025, 0.064, 0.128])
})

test('percentiles are those of what was added since', () => {
  const histogram = new Histogram()
  for (let count = 0; count < 1_000; count += 1) histogram.add(5_000)
  const then = histogram.counts
  assert.equal(histogram.since(then), null)
  for (let count = 0; count < 98; count += 1) histogram.add(1.5)
  for (let count = 0; count < 2; count += 1) histogram.add(30)
  const { p50, p99 } = histogram.since(then) ?? {}
  assert.ok(p50 !== undefined && p50 > 1 && p50 <= 2, `${p50}`)
  assert.ok(p99 !== undefined && p99 > 16 && p99 <= 32, `${p99}`)
})

test('a duration past the last bound counts in the last bucket', () => {
  const histogram = new Histogram()
  histogram.add(10_000_000)
  assert.equal(histogram.since([])?.p99, 65_500)
})

test('totals include what was counted before, unless its buckets were others', () => {
  const histogram = new Histogram()
  histogram.add(1)
  const before = histogram.totals(undefined)
  const { counts, sumSeconds } = histogram.totals(before)
  assert.equal(Math.max(...counts), 2)
  assert.equal(sumSeconds, 0.002)
  assert.deepEqual(histogram.totals({ buckets: [1], counts: [7, 7], sumSeconds: 9 }), before)
})
