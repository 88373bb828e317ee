import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clockedQueue } from '../support/clocked-queue.ts'
import { pending } from '../support/pending.ts'

test('each expires when its own time is up, the first in line first', (t) => {
  const { queue, expired, advance, add } = clockedQueue(t)
  add(1)
  advance(400)
  add(2)
  add(3)
  advance(599)
  assert.deepEqual(expired, [])
  advance(1)
  assert.deepEqual(expired, [1])
  advance(399)
  assert.deepEqual(expired, [1])
  advance(1)
  assert.deepEqual(expired, [1, 2, 3])
  assert.equal(queue.length, 0)
})

test('the timer of one that left expires nobody else early', (t) => {
  const { queue, expired, advance, add } = clockedQueue(t)
  add(1)
  advance(900)
  add(2)
  queue.shift()
  advance(999)
  assert.deepEqual(expired, [])
  advance(1)
  assert.deepEqual(expired, [2])
})

test('a connection that returns to the queue keeps its waiting time', (t) => {
  const { queue, expired, advance, add } = clockedQueue(t)
  const first = add(1)
  advance(500)
  queue.shift()
  add(2)
  queue.putBack(first)
  assert.equal(queue.oldestMs, 500)
  advance(500)
  assert.deepEqual(expired, [1])
})

test('one that was claimed for longer than it may wait expires at once when it comes back', (t) => {
  const { queue, expired, advance, add } = clockedQueue(t)
  const first = add(1)
  queue.shift()
  advance(5_000)
  queue.putBack(first)
  advance(1)
  assert.deepEqual(expired, [1])
})

test('new limits hold for what waits already', (t) => {
  const { queue, expired, advance, add } = clockedQueue(t)
  add(1)
  add(2)
  advance(100)
  queue.limit({ max: 1, maxWaitMs: 150 })
  assert.equal(queue.max, 1)
  assert.equal(queue.push(pending(3)), false)
  assert.equal(queue.length, 2)
  advance(49)
  assert.deepEqual(expired, [])
  advance(1)
  assert.deepEqual(expired, [1, 2])
})

test('a longer wait spares what would have expired', (t) => {
  const { queue, expired, advance, add } = clockedQueue(t)
  add(1)
  advance(900)
  queue.limit({ max: 100, maxWaitMs: 2_000 })
  advance(1_099)
  assert.deepEqual(expired, [])
  advance(1)
  assert.deepEqual(expired, [1])
})

test('the oldest is the first in line', (t) => {
  const { queue, advance, add } = clockedQueue(t)
  assert.equal(queue.oldestMs, 0)
  add(1)
  advance(300)
  add(2)
  assert.equal(queue.oldestMs, 300)
  queue.shift()
  assert.equal(queue.oldestMs, 0)
})

test('a closed queue expires nobody, and can still be emptied', (t) => {
  const { queue, expired, advance, add } = clockedQueue(t)
  add(1)
  queue.close()
  advance(5_000)
  assert.deepEqual(expired, [])
  assert.equal(queue.shift()?.id, 1)
})
