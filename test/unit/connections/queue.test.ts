import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PendingConnection } from '../../../src/connections/pending-connection.ts'
import type { ConnectionQueue } from '../../../src/connections/queue.ts'
import { clockedQueue } from '../support/clocked-queue.ts'
import { pending } from '../support/pending.ts'

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

test('a connection that returns to the queue goes before later ones, in the order of acceptance', (t) => {
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
