import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { slotTransitions } from '../../../src/lifecycle/slot-states.ts'
import { pauseSince, verdict, type Watched } from '../../../src/pool/watchdog.ts'
import { statesOf } from '../support/graph.ts'

const patience = { hungAfterMs: 100, readyTimeoutMs: 500, deadlineMs: 1_000, lingerMs: 50 }

/** A worker that is well at the time 0. */
const well: Watched = {
  state: 'idle',
  lastSeenMs: 0,
  movedAtMs: 0,
  inHandSinceMs: 0,
  inHand: undefined,
}

const at = (nowMs: number, worker: Partial<Watched>) =>
  verdict({ ...well, ...worker }, patience, nowMs)

test('a worker that is ready is hung when it has said nothing for too long, whatever it does', () => {
  for (const state of ['idle', 'busy', 'retiring'] as const) {
    assert.equal(at(100, { state }), undefined, state)
    assert.match(at(101, { state }) ?? '', /^hung: .* 100 ms$/, state)
  }
})

test('a worker that starts may be silent until its time to get ready is up', () => {
  assert.equal(at(500, { state: 'starting' }), undefined)
  assert.equal(at(501, { state: 'starting' }), 'not ready within 500 ms')
})

test('signs of life do not help a worker that never gets ready', () => {
  assert.match(at(600, { state: 'starting', lastSeenMs: 599 }) ?? '', /not ready/)
})

test('a handler is stuck when it outlives its deadline by the time that a worker may be silent', () => {
  const busy = { state: 'busy', inHand: {}, inHandSinceMs: 10 } as const
  assert.equal(at(1_110, { ...busy, lastSeenMs: 1_110 }), undefined)
  assert.match(at(1_111, { ...busy, lastSeenMs: 1_111 }) ?? '', /^stuck: .* 1000 ms$/)
})

test('a retiring worker may finish what it has in hand before its own time runs', () => {
  const retiring = { state: 'retiring', lastSeenMs: 1_000 } as const
  assert.equal(at(1_000, { ...retiring, inHand: {} }), undefined)
  assert.match(at(1_000, retiring) ?? '', /^did not exit within 150 ms/)
  assert.equal(at(1_000, { ...retiring, movedAtMs: 850 }), undefined)
})

test('nobody is killed where there is no process, or twice', () => {
  for (const state of ['empty', 'backing-off', 'killing'] as const) {
    assert.equal(at(1_000_000, { state, inHand: {} }), undefined, state)
  }
})

test('no worker that was seen and moved just now is killed', () => {
  const anyState = fc.constantFrom(...statesOf(slotTransitions))
  fc.assert(
    fc.property(anyState, fc.nat(), fc.boolean(), (state, nowMs, isBusy) => {
      const times = { lastSeenMs: nowMs, movedAtMs: nowMs, inHandSinceMs: nowMs }
      assert.equal(at(nowMs, { state, ...times, inHand: isBusy ? {} : undefined }), undefined)
    }),
  )
})

test('a look that comes on time, or somewhat late, is no pause', () => {
  assert.equal(pauseSince(0, 1_000, 1_000), 0)
  assert.equal(pauseSince(0, 2_500, 1_000), 0)
  assert.equal(pauseSince(0, 200, 1_000), 0)
})

test('a look that comes much too late tells how long the pause was', () => {
  assert.equal(pauseSince(0, 2_501, 1_000), 1_501)
  assert.equal(pauseSince(5_000, 3_605_010, 10), 3_600_000)
})

test('a pause is never longer than the time since the last look', () => {
  const anyMs = fc.nat({ max: 10_000_000 })
  fc.assert(
    fc.property(anyMs, anyMs, fc.integer({ min: 10, max: 60_000 }), (last, since, interval) => {
      const pausedMs = pauseSince(last, last + since, interval)
      assert.ok(pausedMs >= 0 && pausedMs <= since)
    }),
  )
})
