import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LeaseRecord } from '../../../src/lease/lease-store.ts'
import { RecordWatch } from '../../../src/lease/record-watch.ts'

const ttlMs = 1_000
/** 1.02 of the lease, and 300 ms. */
const expiryMs = 1_320

function record(id: string, token = 1): LeaseRecord {
  return { state: 'held', host: 'h', holder: 'i', token, id, ttlMs, sinceMs: 0 }
}

function startWatch() {
  const clock = { nowMs: 0 }
  return { clock, watch: new RecordWatch(() => clock.nowMs) }
}

test('a record expires when it has been seen unchanged for longer than it can be held', () => {
  const { clock, watch } = startWatch()
  watch.observe([record('a')])
  clock.nowMs = expiryMs - 1
  watch.observe([record('a')])
  assert.deepEqual(watch.expired(), [''])
  assert.equal(watch.nextExpiryInMs, 1)
  clock.nowMs = expiryMs
  assert.deepEqual(watch.expired(), ['a'])
  assert.equal(watch.nextExpiryInMs, 0)
})

test('a change restarts the wait for that record alone', () => {
  const { clock, watch } = startWatch()
  watch.observe([record('a'), record('b')])
  clock.nowMs = expiryMs
  watch.observe([record('a'), record('c')])
  assert.deepEqual(watch.expired(), ['a', ''])
})

test('a reset restarts the wait for all records, but forgets no token', () => {
  const { clock, watch } = startWatch()
  watch.observe([record('a', 7)])
  clock.nowMs = expiryMs
  watch.reset()
  assert.deepEqual(watch.expired(), [])
  watch.observe([record('a', 3)])
  assert.deepEqual(watch.expired(), [''])
  assert.equal(watch.highestToken, 7)
})
