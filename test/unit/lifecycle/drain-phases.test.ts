import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type DrainEvent,
  type DrainPhase,
  drainTransitions,
  primaryEvents,
} from '../../../src/lifecycle/drain-phases.ts'
import { Machine } from '../../../src/lifecycle/machine.ts'
import { type PrimaryState, primaryTransitions } from '../../../src/lifecycle/primary-states.ts'
import { eventsOf, movesFrom, reachable, statesOf } from '../support/graph.ts'

const phases = statesOf(drainTransitions)
const events = eventsOf(drainTransitions) as DrainEvent[]

function wayOf(...given: DrainEvent[]): DrainPhase[] {
  const way: DrainPhase[] = ['accepting']
  const machine = new Machine<DrainPhase, DrainEvent>(
    drainTransitions,
    'accepting',
    (_from, _event, to) => way.push(to),
  )
  for (const event of given) machine.apply(event)
  return way
}

test('a drain that nothing disturbs goes through its phases in order', () => {
  assert.deepEqual(wayOf('announce', 'close', 'closed', 'queue-empty', 'settled', 'workers-gone'), [
    'accepting',
    'announcing',
    'closing',
    'serving-queue',
    'waiting-for-workers',
    'ending',
    'ended',
  ])
})

test('each further request moves the drain on by one phase', () => {
  assert.deepEqual(
    wayOf('announce', 'escalate', 'closed', 'escalate', 'escalate', 'workers-gone'),
    [
      'accepting',
      'announcing',
      'closing',
      'serving-queue',
      'waiting-for-workers',
      'cutting',
      'ended',
    ],
  )
})

test('every phase can be reached, and the last one is the only end', () => {
  assert.deepEqual(reachable(drainTransitions, 'accepting'), new Set(phases))
  const ends = phases.filter((phase) => movesFrom(drainTransitions, phase).length === 0)
  assert.deepEqual(ends, ['ended'])
})

test('no phase is entered twice, and none goes back to accepting', () => {
  for (const from of phases) {
    for (const [event, to] of movesFrom(drainTransitions, from)) {
      assert.ok(!reachable(drainTransitions, to).has(from), `${from} on ${event} comes back`)
    }
  }
})

test('TERM cuts every phase but those that are over', () => {
  for (const phase of phases) {
    const isOver = phase === 'cutting' || phase === 'ended'
    assert.equal(drainTransitions[phase].cut, isOver ? undefined : 'cutting', phase)
  }
})

test('no phase that waits for others waits without a deadline, and none is beyond insisting', () => {
  for (const phase of ['serving-queue', 'waiting-for-workers', 'ending'] as const) {
    assert.equal(drainTransitions[phase].timeout, 'cutting', phase)
    assert.notEqual(drainTransitions[phase].escalate, undefined, phase)
  }
})

test('whatever happens, a drain ends, in as many moves as there are phases at most', () => {
  const anyEvents = fc.array(fc.constantFrom(...events), { maxLength: 60 })
  fc.assert(
    fc.property(anyEvents, (history) => {
      let moves = 0
      const machine = new Machine<DrainPhase, DrainEvent>(drainTransitions, 'accepting', () => {
        moves += 1
      })
      for (const event of history) if (machine.accepts(event)) machine.apply(event)
      // What comes when nothing else does: the deadlines, and the end of the workers.
      for (const event of ['close', 'closed', 'timeout', 'workers-gone'] as const) {
        if (machine.accepts(event)) machine.apply(event)
      }
      assert.equal(machine.state, 'ended')
      assert.ok(moves < phases.length, `${moves} moves`)
    }),
  )
})

test('whatever happens to the drain of a service that serves, the service ends stopped', () => {
  const anyEvents = fc.array(fc.constantFrom(...events), { maxLength: 60 })
  fc.assert(
    fc.property(anyEvents, (history) => {
      let state: PrimaryState = 'serving'
      const machine = new Machine<DrainPhase, DrainEvent>(
        drainTransitions,
        'accepting',
        (_from, event) => {
          const move = primaryEvents[event]
          state = (move && primaryTransitions[state][move]) ?? state
        },
      )
      for (const event of [...history, 'close', 'closed', 'timeout', 'workers-gone'] as const) {
        if (machine.accepts(event)) machine.apply(event)
        assert.equal(state === 'serving', machine.state === 'accepting')
        if (machine.state === 'ended') assert.equal(state, 'stopped')
      }
    }),
  )
})
