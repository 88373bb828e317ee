import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Accounts } from '../../../src/connections/accounts.ts'
import type { PendingConnection } from '../../../src/connections/pending-connection.ts'
import {
  type ConnectionEvent,
  connectionTransitions,
} from '../../../src/lifecycle/connection-states.ts'
import type { ConnectionCounts } from '../../../src/status.ts'
import { eventsOf } from '../support/graph.ts'
import { pending } from '../support/pending.ts'

const events = eventsOf(connectionTransitions) as ConnectionEvent[]

/** The promise: nothing that was accepted is unaccounted for. */
function assertConserved(counts: ConnectionCounts): void {
  const { accepted, ...rest } = counts
  const sum = Object.values(rest).reduce((total, count) => total + count, 0)
  assert.equal(sum, accepted, JSON.stringify(counts))
  for (const [key, count] of Object.entries(counts)) assert.ok(count >= 0, key)
}

function open(accounts: Accounts, id: number): PendingConnection {
  const connection = pending(id)
  connection.state = accounts.accept()
  return connection
}

test('each state is counted where the contract says', () => {
  const accounts = new Accounts()
  const ways: ConnectionEvent[][] = [
    [],
    ['offer'],
    ['offer', 'claim'],
    ['offer', 'claim', 'serve'],
    ['offer', 'claim', 'fail'],
    ['shed'],
    ['expire'],
    ['leave'],
    ['offer', 'requeue'],
  ]
  for (const [id, way] of ways.entries()) {
    const connection = open(accounts, id)
    for (const event of way) accounts.apply(connection, event)
  }
  assert.deepEqual(accounts.counts, {
    accepted: 9,
    served: 1,
    failed: 1,
    shed: 1,
    expired: 1,
    gone: 1,
    queued: 2,
    active: 2,
  })
  assert.equal(accounts.open, 4)
})

test('accepted is the sum of all others after every legal event, and an illegal one changes nothing', () => {
  const anyStep = fc.oneof(
    fc.constant('open' as const),
    fc.tuple(fc.nat({ max: 20 }), fc.constantFrom(...events)),
  )
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 200 }), (steps) => {
      const accounts = new Accounts()
      const connections: PendingConnection[] = []
      for (const step of steps) {
        if (step === 'open') connections.push(open(accounts, connections.length))
        else {
          const connection = connections[step[0] % Math.max(1, connections.length)]
          if (connection === undefined) continue
          move(accounts, connection, step[1])
        }
        assertConserved(accounts.counts)
        assert.equal(accounts.counts.accepted, connections.length)
        const { queued, active } = accounts.counts
        assert.equal(accounts.open, queued + active)
      }
    }),
  )
})

function move(accounts: Accounts, connection: PendingConnection, event: ConnectionEvent): void {
  const { state } = connection
  const to = connectionTransitions[state][event]
  if (to !== undefined) {
    accounts.apply(connection, event)
    assert.equal(connection.state, to)
    return
  }
  const before = accounts.counts
  assert.throws(() => accounts.apply(connection, event), { code: 'ILLEGAL_MOVE' })
  assert.equal(connection.state, state)
  assert.deepEqual(accounts.counts, before)
}

test('connections that another process has accepted are counted too, until they are written off', () => {
  const accounts = new Accounts()
  const counts = { ...accounts.counts, accepted: 5, served: 2, queued: 1, active: 2 }
  accounts.inherit(counts)
  const own = pending(1)
  own.state = accounts.accept()
  assert.deepEqual(accounts.counts, { ...counts, accepted: 6, queued: 2 })
  assert.equal(accounts.open, 4)
  accounts.takeFromInherited()
  assert.deepEqual([accounts.counts.accepted, accounts.counts.queued], [5, 1])
  accounts.inherit({ ...counts, served: 3, active: 1 })
  assert.deepEqual([accounts.counts.served, accounts.open], [3, 3])
  accounts.writeOff()
  assert.deepEqual(
    [accounts.counts.served, accounts.counts.failed, accounts.counts.active, accounts.open],
    [3, 2, 0, 1],
  )
})

test('a connection that another process counts from now on was never accepted here', () => {
  const accounts = new Accounts()
  const connection = pending(1)
  connection.state = accounts.accept()
  accounts.forget(connection)
  assert.deepEqual([accounts.counts.accepted, accounts.counts.queued, accounts.open], [0, 0, 0])
})
