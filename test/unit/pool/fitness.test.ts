import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { PendingConnection } from '../../../src/connections/pending-connection.ts'
import { type Step, uncounted } from '../../../src/ipc/progress.ts'
import { Fitness } from '../../../src/pool/fitness.ts'
import { Clock } from '../support/clock.ts'
import { pending } from '../support/pending.ts'

const heartbeatMs = 1_000

/** A worker that was offered connection 1; `judged` lists what its judge has decided, `passed` the reports passed on. */
function offered(t: TestContext) {
  const clock = new Clock(t)
  const judged: string[] = []
  const passed: Step[] = []
  const slot = {
    state: 'busy' as const,
    inHand: pending(1) as PendingConnection | undefined,
    progress: ({ step }: { step: Step }) => void passed.push(step),
    takeOut: (reason: string, how: string) => void judged.push(`${how}: ${reason}`),
  }
  const process = { claim: 0 }
  const fitness = new Fitness(slot, process, heartbeatMs)
  const offer = (id: number) => {
    slot.inHand = pending(id)
    fitness.offered(id)
  }
  offer(1)
  const report = (step: Step, id = 1) =>
    fitness.reported({ step, reason: 'none', id, ...uncounted })
  const ignore = () => fitness.compare({ inHand: 0 })
  return { clock, fitness, slot, process, offer, report, ignore, judged, passed }
}

test('heartbeats that piled up while the primary was paused condemn nobody', (t) => {
  const { clock, ignore, judged } = offered(t)
  for (let beat = 0; beat < 10; beat += 1) ignore()
  clock.advance(heartbeatMs)
  for (let beat = 0; beat < 10; beat += 1) ignore()
  assert.deepEqual(judged, [])
})

test('a worker that does not know of its offer for three heartbeats is condemned', (t) => {
  const { clock, ignore, judged } = offered(t)
  const verdicts = [1, 2, 3].map(() => {
    clock.advance(heartbeatMs)
    ignore()
    return judged.length
  })
  assert.deepEqual(verdicts, [0, 0, 1])
  assert.deepEqual(judged, ['kill: it ignores the connections that it is offered'])
})

test('a new offer begins anew', (t) => {
  const { clock, offer, ignore, judged } = offered(t)
  for (const id of [2, 3, 4, 5]) {
    clock.advance(heartbeatMs)
    ignore()
    offer(id)
  }
  assert.deepEqual(judged, [])
})

test('a worker that cannot take three connections in a row is condemned, and each goes back', (t) => {
  const { offer, report, judged, passed } = offered(t)
  report('missing')
  offer(2)
  report('missing', 2)
  assert.deepEqual(judged, [])
  offer(3)
  report('missing', 3)
  assert.deepEqual(judged, ['retire: it cannot receive connections'])
  assert.deepEqual(passed, ['missing', 'missing', 'missing'])
})

test('one that is served in between counts anew', (t) => {
  const { offer, report, judged } = offered(t)
  for (const id of [1, 2, 3, 4, 5, 6]) {
    offer(id)
    report(id % 3 === 0 ? 'served' : 'missing', id)
  }
  assert.deepEqual(judged, [])
})

test('only a report on the last offer is to be expected, and only one in hand is passed on', (t) => {
  const { slot, report, passed } = offered(t)
  assert.equal(report('served', 7), false)
  slot.inHand = undefined
  assert.equal(report('served'), true)
  assert.deepEqual(passed, [])
})

test('a claim that is in the heartbeat but not in the register condemns, and counts as a claim', (t) => {
  const { fitness, slot, process, judged } = offered(t)
  assert.equal(fitness.hasClaimed(pending(1)), false)
  fitness.compare({ inHand: 1 })
  assert.deepEqual(judged, ['retire: its claims do not reach the primary'])
  assert.equal(fitness.hasClaimed(pending(1)), true)
  slot.inHand = pending(2)
  process.claim = 2
  assert.equal(fitness.claimedId, 2)
})

test('a register with no number in it claims the connection in hand', (t) => {
  const { fitness, process } = offered(t)
  process.claim = Number.NaN
  assert.equal(fitness.hasClaimed(pending(1)), true)
})

test('the first reason to condemn a worker is kept', (t) => {
  const { fitness } = offered(t)
  assert.equal(fitness.reason, undefined)
  assert.equal(fitness.condemn('one'), true)
  assert.equal(fitness.condemn('two'), false)
  assert.equal(fitness.reason, 'one')
})
