import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Stats } from '../../../src/connections/stats.ts'
import { Clock } from '../support/clock.ts'

/** Stats that are sampled once a second. */
function clocked(t: TestContext) {
  const clock = new Clock(t)
  const stats = new Stats()
  const second = (connections = 0, handlingMs = 1) => {
    for (let count = 0; count < connections; count += 1) stats.handled(0.1, handlingMs)
    clock.advance(1_000)
    stats.sample()
  }
  return { stats, second }
}

test('the rate is that of the last seconds', (t) => {
  const { stats, second } = clocked(t)
  assert.equal(stats.rates.perSecond, 0)
  for (let count = 0; count < 20; count += 1) second(30)
  assert.equal(stats.rates.perSecond, 30)
  for (let count = 0; count < 5; count += 1) second()
  assert.equal(stats.rates.perSecond, 0)
})

test('the first seconds are no less than they are', (t) => {
  const { stats, second } = clocked(t)
  second(40)
  assert.equal(stats.rates.perSecond, 40)
})

test('the durations are those of the last half minute, and null when nobody was served', (t) => {
  const { stats, second } = clocked(t)
  const last = () => stats.rates
  assert.deepEqual(last(), { perSecond: 0, waitMs: null, handlingMs: null })
  second(100, 1_000)
  assert.ok((last().handlingMs?.p50 ?? 0) > 500)
  for (let count = 0; count < 30; count += 1) second(1, 2)
  assert.ok((last().handlingMs?.p99 ?? 9) <= 2)
  assert.ok((last().waitMs?.p99 ?? 9) <= 0.125)
  for (let count = 0; count < 30; count += 1) second()
  assert.deepEqual(last(), { perSecond: 0, waitMs: null, handlingMs: null })
})

test('the totals go on from what another process counted, however often it reports', (t) => {
  const { stats } = clocked(t)
  const old = new Stats()
  old.handled(1, 1)
  old.restarted('signal')
  stats.inherit(old.totals)
  old.handled(1, 1)
  old.reloaded('failed')
  stats.inherit(old.totals)
  stats.handled(1, 1)
  stats.restarted('signal')
  stats.reloaded('done')
  const { wait, handling, restarts, reloads } = stats.totals
  assert.equal(Math.max(...wait.counts), 3)
  assert.ok(Math.abs(handling.sumSeconds - 0.003) < 1e-9)
  assert.equal(restarts.signal, 2)
  assert.deepEqual(reloads, { done: 1, failed: 1 })
})
