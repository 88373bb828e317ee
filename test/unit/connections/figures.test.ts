import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Figures } from '../../../src/connections/figures.ts'
import { Clock } from '../support/clock.ts'

/** Figures that are looked at once a second. */
function clocked(t: TestContext) {
  const clock = new Clock(t)
  const figures = new Figures()
  const second = (connections = 0, handlingMs = 1) => {
    for (let count = 0; count < connections; count += 1) figures.handled(0.1, handlingMs)
    clock.advance(1_000)
    figures.look()
  }
  return { figures, second }
}

test('the rate is that of the last seconds', (t) => {
  const { figures, second } = clocked(t)
  assert.equal(figures.rates.perSecond, 0)
  for (let count = 0; count < 20; count += 1) second(30)
  assert.equal(figures.rates.perSecond, 30)
  for (let count = 0; count < 5; count += 1) second()
  assert.equal(figures.rates.perSecond, 0)
})

test('the first seconds are no less than they are', (t) => {
  const { figures, second } = clocked(t)
  second(40)
  assert.equal(figures.rates.perSecond, 40)
})

test('the durations are those of the last half minute, and null when nobody was served', (t) => {
  const { figures, second } = clocked(t)
  const last = () => figures.rates
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
  const { figures } = clocked(t)
  const old = new Figures()
  old.handled(1, 1)
  old.restarted('signal')
  figures.inherit(old.totals)
  old.handled(1, 1)
  old.reloaded('failed')
  figures.inherit(old.totals)
  figures.handled(1, 1)
  figures.restarted('signal')
  figures.reloaded('done')
  const { wait, handling, restarts, reloads } = figures.totals
  assert.equal(Math.max(...wait.counts), 3)
  assert.ok(Math.abs(handling.sumSeconds - 0.003) < 1e-9)
  assert.equal(restarts.signal, 2)
  assert.deepEqual(reloads, { done: 1, failed: 1 })
})
