import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pacer } from '../../../src/control/pacer.ts'

test('turns come in the order in which they were asked for', async () => {
  const pacer = new Pacer()
  const order: number[] = []
  await Promise.all([1, 2, 3].map((turn) => pacer.turn().then(() => order.push(turn))))
  assert.deepEqual(order, [1, 2, 3])
})

test('a request that has taken much more than its share waits, while the event loop turns', async () => {
  const pacer = new Pacer()
  // A quarter of a second is granted at once; the rest, 20 ms, takes five times as long to earn.
  pacer.spend(270)
  let turns = 0
  const timer = setInterval(() => {
    turns += 1
  }, 1)
  const startMs = performance.now()
  await pacer.turn()
  clearInterval(timer)
  assert.ok(performance.now() - startMs >= 80)
  assert.ok(turns > 0)
})
