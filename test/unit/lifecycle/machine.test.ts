import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { connectionTransitions } from '../../../src/lifecycle/connection-states.ts'
import { drainTransitions } from '../../../src/lifecycle/drain-phases.ts'
import { Machine, nextState, type Transitions } from '../../../src/lifecycle/machine.ts'
import { primaryTransitions } from '../../../src/lifecycle/primary-states.ts'
import { slotTransitions } from '../../../src/lifecycle/slot-states.ts'
import { eventsOf, statesOf } from '../support/graph.ts'

const tables: Readonly<Record<string, Transitions<string, string>>> = {
  primary: primaryTransitions,
  slot: slotTransitions,
  connection: connectionTransitions,
  drain: drainTransitions,
}

const illegal = (error: Error) => 'code' in error && error.code === 'ILLEGAL_MOVE'

test('a machine moves by its table and reports each move with its cause', () => {
  const moves: unknown[][] = []
  const machine = new Machine(primaryTransitions, 'starting', (...move) => moves.push(move))
  assert.equal(machine.apply('workers-ready'), 'standby')
  assert.equal(machine.apply('drain', 'SIGUSR1'), 'draining')
  assert.equal(machine.state, 'draining')
  assert.deepEqual(moves, [
    ['starting', 'workers-ready', 'standby', undefined],
    ['standby', 'drain', 'draining', 'SIGUSR1'],
  ])
})

test('an illegal move throws, names state and event, moves nothing and reports nothing', () => {
  let moves = 0
  const machine = new Machine(primaryTransitions, 'stopped', () => {
    moves += 1
  })
  assert.throws(() => machine.apply('bound'), /No move from "stopped" on "bound"/)
  assert.throws(() => machine.apply('bound'), illegal)
  assert.equal(machine.state, 'stopped')
  assert.equal(moves, 0)
})

test('the state is already the new one when the move is reported', () => {
  const seen: string[] = []
  const machine = new Machine(slotTransitions, 'empty', (_from, _event, to) => {
    seen.push(machine.state, to)
  })
  machine.apply('spawn')
  assert.deepEqual(seen, ['starting', 'starting'])
})

for (const [name, table] of Object.entries(tables)) {
  test(`${name}: no sequence of events leads anywhere but where the table says`, () => {
    const anyState = fc.constantFrom(...statesOf(table))
    const anyEvents = fc.array(fc.constantFrom(...eventsOf(table)), { maxLength: 60 })
    fc.assert(
      fc.property(anyState, anyEvents, (initial, events) => {
        const machine = new Machine(table, initial, () => {})
        let expected = initial
        for (const event of events) {
          const to = table[expected]?.[event]
          assert.equal(machine.accepts(event), to !== undefined)
          if (to === undefined) assert.throws(() => machine.apply(event), illegal)
          else assert.equal(machine.apply(event), to)
          expected = to ?? expected
          assert.equal(machine.state, expected)
          assert.ok(statesOf(table).includes(machine.state))
        }
      }),
    )
  })

  test(`${name}: every move leads to a state that the table has`, () => {
    for (const from of statesOf(table)) {
      for (const event of Object.keys(table[from] ?? {})) {
        assert.ok(statesOf(table).includes(nextState(table, from, event)), `${from} on ${event}`)
      }
    }
  })
}
