import assert from 'node:assert/strict'
import { test } from 'node:test'
import { permitTransitions } from '../../../src/lifecycle/permit-states.ts'
import { movesFrom, reachable, statesOf } from '../support/graph.ts'

const states = statesOf(permitTransitions)

test('every state can be reached from the first one', () => {
  assert.deepEqual(reachable(permitTransitions, 'none'), new Set(states))
})

test('whatever has happened, a host needs no permit any more once it is over', () => {
  for (const from of states) {
    if (from !== 'none') assert.equal(permitTransitions[from].end, 'none', from)
  }
})

test('only who waits is granted one, and can always go on without', () => {
  for (const from of states) {
    for (const [event] of movesFrom(permitTransitions, from)) {
      if (event === 'grant') assert.equal(from, 'waiting')
    }
  }
  assert.equal(permitTransitions.waiting.skip, 'skipped')
})
