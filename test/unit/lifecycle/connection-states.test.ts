import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectionTransitions } from '../../../src/lifecycle/connection-states.ts'
import { movesFrom, reachable, statesOf } from '../support/graph.ts'

const states = statesOf(connectionTransitions)
const settled = ['served', 'failed', 'shed', 'expired', 'gone']

test('every state can be reached from queued', () => {
  assert.deepEqual(reachable(connectionTransitions, 'queued'), new Set(states))
})

test('the settled states are the ends, and there are no others', () => {
  const ends = states.filter((state) => movesFrom(connectionTransitions, state).length === 0)
  assert.deepEqual(ends, settled)
})

test('every open state can come to an end', () => {
  for (const state of states) {
    assert.ok(
      [...reachable(connectionTransitions, state)].some((to) => settled.includes(to)),
      state,
    )
  }
})

test('a claimed connection is never offered again', () => {
  assert.deepEqual(
    reachable(connectionTransitions, 'claimed'),
    new Set(['claimed', 'served', 'failed', 'gone']),
  )
})

test('nothing is served that was not claimed', () => {
  for (const from of states) {
    for (const [, to] of movesFrom(connectionTransitions, from)) {
      if (to === 'served') assert.equal(from, 'claimed')
    }
  }
})

test('only what waits is shed or expires', () => {
  for (const from of states) {
    for (const [event, to] of movesFrom(connectionTransitions, from)) {
      if (to === 'shed' || to === 'expired') assert.equal(from, 'queued', event)
    }
  }
})
