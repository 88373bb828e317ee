import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  firstToReplace,
  ownThreshold,
  type RecycleLimits,
  recycleCause,
  recycleDelayMs,
  type Wear,
} from '../../../src/lifecycle/recycle.ts'

const off: RecycleLimits = { afterConnections: 0, maxAgeMs: 0, maxRssMb: 0 }
const wear: Wear = { served: 100, readyForMs: 60_000, rssBytes: 100 * 1024 * 1024, jitter: 0.5 }
const anyLuck = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
const anyWear: fc.Arbitrary<Wear> = fc.record({
  served: fc.nat(),
  readyForMs: fc.nat(),
  rssBytes: fc.nat(),
  jitter: anyLuck,
})

test('a worker goes on while no limit is set', () => {
  fc.assert(fc.property(anyWear, (worn) => recycleCause(worn, off) === undefined))
})

test('each limit alone is a cause, in words', () => {
  assert.equal(recycleCause(wear, { ...off, afterConnections: 100 }), 'served 100 connections')
  assert.equal(recycleCause(wear, { ...off, maxAgeMs: 60_000 }), 'ran for 60000 ms')
  assert.equal(recycleCause(wear, { ...off, maxRssMb: 99 }), 'has 100 MiB of memory')
})

test('a worker that is below every limit goes on', () => {
  const limits = { afterConnections: 101, maxAgeMs: 60_001, maxRssMb: 100 }
  assert.equal(recycleCause(wear, limits), undefined)
})

test('memory that a worker needs to be ready is no cause: the next one would need it too', () => {
  assert.equal(recycleCause({ ...wear, served: 0 }, { ...off, maxRssMb: 1 }), undefined)
})

test('a threshold is within a tenth of the limit, and at least one connection', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000_000_000 }), anyLuck, (limit, jitter) => {
      const own = ownThreshold(limit, jitter)
      assert.ok(Number.isInteger(own) && own >= 1)
      assert.ok(own >= Math.floor(limit * 0.9) && own <= Math.ceil(limit * 1.1), `${own}`)
    }),
  )
})

test('workers that share a load evenly do not reach their thresholds together', () => {
  const own = [0, 0.25, 0.5, 0.75].map((jitter) => ownThreshold(1_000, jitter))
  assert.deepEqual(own, [900, 950, 1_000, 1_050])
})

test('more wear never takes a cause away', () => {
  const anyLimits = fc.record({
    afterConnections: fc.nat(1_000),
    maxAgeMs: fc.nat(1_000),
    maxRssMb: fc.nat(1_000),
  })
  fc.assert(
    fc.property(anyWear, anyLimits, fc.nat(), (worn, limits, more) => {
      if (recycleCause(worn, limits) === undefined) return
      const { served, readyForMs, rssBytes, jitter } = worn
      const older = { served: served + more, readyForMs: readyForMs + more, rssBytes, jitter }
      assert.notEqual(recycleCause(older, limits), undefined)
    }),
  )
})

test('a replacement that fails is tried again after a second, then ever later, up to a minute', () => {
  assert.equal(recycleDelayMs(0, 0.5), 0)
  const longest = [1, 2, 3, 6, 7, 50].map((failures) => recycleDelayMs(failures, 0.999_999_999))
  assert.deepEqual(longest, [1_000, 2_000, 4_000, 32_000, 60_000, 60_000])
  assert.equal(recycleDelayMs(1, 0), 500)
})

test('every worker has its turn, even when all are due again before the next replacement', () => {
  const slots = [0, 1, 2, 3].map((number) => ({ number, wear: { readyForMs: 1_000 } }))
  const replaced = slots.map(() => {
    const slot = firstToReplace(slots)
    assert.ok(slot)
    for (const other of slots) other.wear.readyForMs += 5_000
    slot.wear.readyForMs = 0
    return slot.number
  })
  assert.deepEqual(new Set(replaced), new Set([0, 1, 2, 3]))
})

test('without a worker that is due, none is replaced', () => {
  assert.equal(firstToReplace([]), undefined)
})
