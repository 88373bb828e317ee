import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Machine } from '../../../src/lifecycle/machine.ts'
import {
  type SlotEvent,
  type SlotState,
  slotTransitions,
} from '../../../src/lifecycle/slot-states.ts'
import { eventsOf, movesFrom, reachable, statesOf } from '../support/graph.ts'

const states = statesOf(slotTransitions)
const events = eventsOf(slotTransitions) as SlotEvent[]
const withoutProcess: ReadonlySet<SlotState> = new Set(['empty', 'backing-off'])

test('every state can be reached from empty, and empty from every state', () => {
  assert.deepEqual(reachable(slotTransitions, 'empty'), new Set(states))
  for (const state of states) assert.ok(reachable(slotTransitions, state).has('empty'), state)
})

test('a process may exit in any state that has one, and in no other', () => {
  for (const state of states) {
    assert.equal(slotTransitions[state].exit, withoutProcess.has(state) ? undefined : 'empty')
  }
})

test('a process can be killed in any state that has one', () => {
  for (const state of states) {
    const expected = withoutProcess.has(state) ? undefined : 'killing'
    assert.equal(slotTransitions[state].kill, expected, state)
  }
})

test('only an idle worker is offered a connection', () => {
  const takers = states.filter((state) => slotTransitions[state].offer !== undefined)
  assert.deepEqual(takers, ['idle'])
})

test('a worker that retires or is killed never takes connections again', () => {
  for (const from of ['retiring', 'killing'] as const) {
    for (const [event, to] of movesFrom(slotTransitions, from)) {
      assert.ok(['retiring', 'killing', 'empty'].includes(to), `${from} on ${event}`)
    }
  }
})

test('whatever has happened, kill and exit empty a slot that has a process', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...events), { maxLength: 40 }), (history) => {
      const machine = new Machine<SlotState, SlotEvent>(slotTransitions, 'empty', () => {})
      for (const event of history) if (machine.accepts(event)) machine.apply(event)
      if (withoutProcess.has(machine.state)) return
      machine.apply('kill')
      machine.apply('exit')
      assert.equal(machine.state, 'empty')
    }),
  )
})
