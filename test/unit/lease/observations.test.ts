import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Observation, Observations } from '../../../src/lease/observations.ts'

const ttlMs = 1_000
/** 1.02 of the time for which it is held, and 300 ms. */
const matureMs = 1_320

function record(id: string, token = 1): Observation {
  return { state: 'held', host: 'h', holder: 'i', token, id, ttlMs, sinceMs: 0 }
}

function watch() {
  const clock = { nowMs: 0 }
  return { clock, observations: new Observations(() => clock.nowMs) }
}

test('a record matures when it was seen unchanged for longer than it can be held', () => {
  const { clock, observations } = watch()
  observations.see([record('a')])
  clock.nowMs = matureMs - 1
  observations.see([record('a')])
  assert.deepEqual(observations.matured(), [''])
  assert.equal(observations.nextInMs, 1)
  clock.nowMs = matureMs
  assert.deepEqual(observations.matured(), ['a'])
  assert.equal(observations.nextInMs, 0)
})

test('a change begins the wait anew, for that record alone', () => {
  const { clock, observations } = watch()
  observations.see([record('a'), record('b')])
  clock.nowMs = matureMs
  observations.see([record('a'), record('c')])
  assert.deepEqual(observations.matured(), ['a', ''])
})

test('a forgotten record is waited for anew, but no token is forgotten', () => {
  const { clock, observations } = watch()
  observations.see([record('a', 7)])
  clock.nowMs = matureMs
  observations.forget()
  assert.deepEqual(observations.matured(), [])
  observations.see([record('a', 3)])
  assert.deepEqual(observations.matured(), [''])
  assert.equal(observations.highestToken, 7)
})
