import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type LeaseEvent, leaseTransitions } from '../../../src/lifecycle/lease-states.ts'
import { nextState } from '../../../src/lifecycle/machine.ts'
import { movesFrom, reachable, statesOf } from '../support/graph.ts'

const states = statesOf(leaseTransitions)

test('every state can be reached, and left for idle', () => {
  assert.deepEqual(reachable(leaseTransitions, 'idle'), new Set(states))
  for (const state of states) {
    assert.ok(reachable(leaseTransitions, state).has('idle'), state)
    assert.equal(nextState(leaseTransitions, state, 'stop'), 'idle')
  }
})

test('the lease is held only by a grant that was asked for, or by resuming one', () => {
  const ways = states.flatMap((from) =>
    movesFrom(leaseTransitions, from).flatMap(([event, to]) =>
      to === 'held' ? [[from, event]] : [],
    ),
  )
  assert.deepEqual(ways, [
    ['idle', 'resume'],
    ['acquiring', 'granted'],
  ])
})

test('only a lease that is held is lost, and then it is not acquired again by itself', () => {
  const accepts = (event: LeaseEvent) => states.filter((state) => leaseTransitions[state][event])
  assert.deepEqual(accepts('lost'), ['held'])
  assert.equal(leaseTransitions.held.lost, 'idle')
})
