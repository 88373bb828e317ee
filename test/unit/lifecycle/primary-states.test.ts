import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Machine } from '../../../src/lifecycle/machine.ts'
import {
  type PrimaryEvent,
  type PrimaryState,
  primaryTransitions,
} from '../../../src/lifecycle/primary-states.ts'
import { eventsOf, movesFrom, reachable, statesOf } from '../support/graph.ts'

const states = statesOf(primaryTransitions)
const events = eventsOf(primaryTransitions) as PrimaryEvent[]

test('the good life goes through every state in the order of the contract', () => {
  const way: PrimaryState[] = ['starting']
  const machine = new Machine<PrimaryState, PrimaryEvent>(
    primaryTransitions,
    'starting',
    (_from, _event, to) => way.push(to),
  )
  for (const event of ['workers-ready', 'lease-held', 'bound', 'drain', 'drained'] as const) {
    machine.apply(event)
  }
  assert.deepEqual(way, ['starting', 'standby', 'binding', 'serving', 'draining', 'stopped'])
})

test('every state can be reached from the first one', () => {
  assert.deepEqual(reachable(primaryTransitions, 'starting'), new Set(states))
})

test('nothing but being bound leads to serving', () => {
  for (const from of states) {
    for (const [event, to] of movesFrom(primaryTransitions, from)) {
      if (to === 'serving') assert.deepEqual([from, event], ['binding', 'bound'])
    }
  }
})

test('stopped is the only end, and it is final', () => {
  const ends = states.filter((state) => movesFrom(primaryTransitions, state).length === 0)
  assert.deepEqual(ends, ['stopped'])
})

test('a drain leads nowhere but to stopped', () => {
  for (const [event, to] of movesFrom(primaryTransitions, 'draining')) {
    assert.equal(to, 'stopped', event)
  }
})

test('whatever has happened, a service that is told to drain or to abort stops', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...events)), fc.boolean(), (history, isGraceful) => {
      const machine = new Machine<PrimaryState, PrimaryEvent>(
        primaryTransitions,
        'starting',
        () => {},
      )
      for (const event of history) if (machine.accepts(event)) machine.apply(event)
      if (machine.state === 'stopped') return
      if (isGraceful && machine.state !== 'draining') machine.apply('drain')
      machine.apply(isGraceful ? 'drained' : 'abort')
      assert.equal(machine.state, 'stopped')
    }),
  )
})

test('but for losing the lease, no state is entered twice: every way to stopped is finite', () => {
  const { serving, binding, ...others } = primaryTransitions
  const { 'stand-down': _, ...whileServing } = serving
  const { 'stand-down': __, ...whileBinding } = binding
  const forward = { ...others, serving: whileServing, binding: whileBinding }
  for (const from of states) {
    for (const [event, to] of movesFrom(forward, from)) {
      assert.ok(!reachable(forward, to).has(from), `${from} on ${event} comes back`)
    }
  }
})
