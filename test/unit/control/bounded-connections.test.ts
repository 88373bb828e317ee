import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type BoundedConnection,
  BoundedConnections,
} from '../../../src/control/bounded-connections.ts'

/** A member whose state a test sets. */
class Guest implements BoundedConnection {
  idleSinceMs: number | undefined
  isKnown = false
  isGone = false

  constructor(idleSinceMs?: number, isKnown = false) {
    this.idleSinceMs = idleSinceMs
    this.isKnown = isKnown
  }

  hangUp(): void {
    this.isGone = true
  }
}

test('a new connection replaces the one that has been idle for the longest', () => {
  const connections = new BoundedConnections<Guest>(3)
  const [busy, older, newer] = [new Guest(), new Guest(1, true), new Guest(2, true)]
  for (const guest of [busy, newer, older]) assert.equal(connections.add(guest, 0), true)
  assert.equal(connections.add(new Guest(1_000), 1_000), true)
  assert.deepEqual([busy.isGone, older.isGone, newer.isGone], [false, true, false])
})

test('a new connection is refused where all are busy or were used a moment ago', () => {
  const connections = new BoundedConnections<Guest>(2)
  const [busy, recent] = [new Guest(), new Guest(950, true)]
  for (const guest of [busy, recent]) connections.add(guest, 0)
  assert.equal(connections.add(new Guest(1_000), 1_000), false)
  assert.deepEqual([busy.isGone, recent.isGone], [false, false])
  assert.equal(connections.add(new Guest(1_100), 1_100), true)
  assert.equal(recent.isGone, true)
})

test('connections that are idle for too long are closed, and busy ones stay', () => {
  const connections = new BoundedConnections<Guest>(3)
  const guests = [new Guest(), new Guest(0), new Guest(90)]
  for (const guest of guests) connections.add(guest, 0)
  assert.equal(connections.dropIdle(50, 100), 1)
  assert.deepEqual(
    guests.map(({ isGone }) => isGone),
    [false, true, false],
  )
})

test('there are never more connections than the limit, and no busy one is closed', () => {
  const anyGuest = fc.record({
    idleSinceMs: fc.option(fc.nat(10_000), { nil: undefined }),
    isKnown: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.array(anyGuest), (max, arrivals) => {
      const connections = new BoundedConnections<Guest>(max)
      const guests = arrivals.map(({ idleSinceMs, isKnown }) => new Guest(idleSinceMs, isKnown))
      for (const [at, guest] of guests.entries()) {
        const isIn = connections.add(guest, 10_000 + at)
        assert.equal([...connections.all].includes(guest), isIn)
        assert.ok(connections.size <= max)
      }
      for (const { isGone, idleSinceMs } of guests) {
        assert.ok(!isGone || idleSinceMs !== undefined)
      }
    }),
  )
})
