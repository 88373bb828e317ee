import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Deadline } from '../../../src/service/deadline.ts'
import { Clock } from '../support/clock.ts'

test('it is told once that the moment has come, and how long it is until then', (t) => {
  const clock = new Clock(t)
  let passed = 0
  const deadline = new Deadline(() => {
    passed += 1
  })
  assert.equal(deadline.remainingMs, 0)
  deadline.set(100)
  clock.advance(40)
  assert.deepEqual([deadline.remainingMs, passed], [60, 0])
  clock.advance(1_000)
  assert.deepEqual([deadline.remainingMs, passed], [0, 1])
})

test('another moment takes the place of the one before', (t) => {
  const clock = new Clock(t)
  let passed = 0
  const deadline = new Deadline(() => {
    passed += 1
  })
  deadline.set(100)
  deadline.set(500)
  clock.advance(499)
  assert.equal(passed, 0)
  clock.advance(1)
  assert.equal(passed, 1)
})

test('one that is cleared never comes', (t) => {
  const clock = new Clock(t)
  const deadline = new Deadline(() => assert.fail('it came'))
  deadline.set(100)
  deadline.clear()
  assert.equal(deadline.remainingMs, 0)
  clock.advance(1_000)
})

test('one that is further away than a timer can wait does not come at once', (t) => {
  const clock = new Clock(t)
  const deadline = new Deadline(() => assert.fail('it came'))
  deadline.set(2 * 2_147_483_647)
  clock.advance(2_147_483_646)
})
