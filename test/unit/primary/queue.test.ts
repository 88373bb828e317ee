import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { PendingConnection } from '../../../src/primary/pending-connection.ts'
import { ConnectionQueue, type QueueLimits } from '../../../src/primary/queue.ts'
import { pending } from '../support/pending.ts'

const roomy: QueueLimits = { max: 100, maxWaitMs: 1_000 }

/** A queue on a clock that the test turns. */
function clockedQueue(t: TestContext, limits = roomy) {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let nowMs = 0
  const expired: number[] = []
  const queue = new ConnectionQueue(
    limits,
    (connection) => expired.push(connection.id),
    () => nowMs,
  )
  t.after(() => queue.close())
  const advance = (ms: number) => {
    nowMs += ms
    t.mock.timers.tick(ms)
  }
  const add = (id: number) => {
    const connection = pending(id, nowMs)
    assert.equal(queue.push(connection), true)
    return connection
  }
  return { queue, expired, advance, add }
}

const idsIn = (queue: ConnectionQueue) => [...queue].map(({ id }) => id)

function shiftAll(queue: ConnectionQueue): number[] {
  const ids: number[] = []
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) ids.push(next.id)
  return ids
}

test('first in, first out', (t) => {
  const { queue, add } = clockedQueue(t)
  for (const id of [1, 2, 3]) add(id)
  assert.equal(queue.length, 3)
  assert.deepEqual(idsIn(queue), [1, 2, 3])
  assert.deepEqual(shiftAll(queue), [1, 2, 3])
  assert.equal(queue.length, 0)
})

test('what is put back goes before what came later, in the order of acceptance', (t) => {
  const { queue, add } = clockedQueue(t)
  for (const id of [1, 2, 3, 4]) add(id)
  const first = queue.shift() as PendingConnection
  const second = queue.shift() as PendingConnection
  queue.putBack(second)
  queue.putBack(first)
  assert.deepEqual(idsIn(queue), [1, 2, 3, 4])
  assert.deepEqual(shiftAll(queue), [1, 2, 3, 4])
})

test('a full queue takes no more, but does take back', (t) => {
  const { queue, add } = clockedQueue(t, { max: 2, maxWaitMs: 1_000 })
  const first = add(1)
  add(2)
  assert.equal(queue.push(pending(3)), false)
  assert.equal(queue.length, 2)
  queue.shift()
  add(3)
  queue.putBack(first)
  assert.deepEqual(idsIn(queue), [1, 2, 3])
})

test('a queue of no places takes nobody', (t) => {
  const { queue } = clockedQueue(t, { max: 0, maxWaitMs: 1_000 })
  assert.equal(queue.push(pending(1)), false)
})

test('one is taken out of turn, once, wherever it stands', (t) => {
  const { queue, add } = clockedQueue(t)
  const all = [1, 2, 3, 4].map(add)
  for (const id of [3, 1, 4]) {
    assert.equal(queue.remove(all[id - 1] as PendingConnection), true)
    assert.equal(queue.remove(all[id - 1] as PendingConnection), false)
  }
  assert.deepEqual(shiftAll(queue), [2])
  assert.equal(queue.remove(pending(9)), false)
})

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

test('what is put back keeps the time that it has waited', (t) => {
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
  assert.deepEqual(shiftAll(queue), [1])
})
