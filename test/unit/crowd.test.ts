import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Crowd, type Member } from '../../src/crowd.ts'

/** A member whose state a test sets. */
class Guest implements Member {
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

test('a newcomer takes the place of the one that has been idle for the longest', () => {
  const crowd = new Crowd<Guest>(3)
  const [busy, older, newer] = [new Guest(), new Guest(1, true), new Guest(2, true)]
  for (const guest of [busy, newer, older]) assert.equal(crowd.admit(guest, 0), true)
  assert.equal(crowd.admit(new Guest(1_000), 1_000), true)
  assert.deepEqual([busy.isGone, older.isGone, newer.isGone], [false, true, false])
})

test('where all are busy, or were of use a moment ago, a newcomer is turned away', () => {
  const crowd = new Crowd<Guest>(2)
  const [busy, recent] = [new Guest(), new Guest(950, true)]
  for (const guest of [busy, recent]) crowd.admit(guest, 0)
  assert.equal(crowd.admit(new Guest(1_000), 1_000), false)
  assert.deepEqual([busy.isGone, recent.isGone], [false, false])
  assert.equal(crowd.admit(new Guest(1_100), 1_100), true)
  assert.equal(recent.isGone, true)
})

test('those that are idle for too long go, and the busy ones stay', () => {
  const crowd = new Crowd<Guest>(3)
  const guests = [new Guest(), new Guest(0), new Guest(90)]
  for (const guest of guests) crowd.admit(guest, 0)
  assert.equal(crowd.dropIdle(50, 100), 1)
  assert.deepEqual(
    guests.map(({ isGone }) => isGone),
    [false, true, false],
  )
})

test('there are never more than there are places, and nobody busy is hung up on', () => {
  const anyGuest = fc.record({
    idleSinceMs: fc.option(fc.nat(10_000), { nil: undefined }),
    isKnown: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.array(anyGuest), (max, arrivals) => {
      const crowd = new Crowd<Guest>(max)
      const guests = arrivals.map(({ idleSinceMs, isKnown }) => new Guest(idleSinceMs, isKnown))
      for (const [at, guest] of guests.entries()) {
        const isIn = crowd.admit(guest, 10_000 + at)
        assert.equal([...crowd.members].includes(guest), isIn)
        assert.ok(crowd.size <= max)
      }
      for (const { isGone, idleSinceMs } of guests) {
        assert.ok(!isGone || idleSinceMs !== undefined)
      }
    }),
  )
})
