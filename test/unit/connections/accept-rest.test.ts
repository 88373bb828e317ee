import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Acceptor, AcceptRest } from '../../../src/connections/accept-rest.ts'
import { waitFor } from '../../helpers/wait-for.ts'

/** An acceptor at whose socket `waiting` connections wait. */
class BareAcceptor implements Acceptor {
  waiting = 0
  accepted = 0
  isListening = false

  listen(isOn: boolean): void {
    this.isListening = isOn
  }

  accept(): number {
    const count = this.waiting
    this.waiting = 0
    this.accepted += count
    return count
  }
}

function resting({ isAmple = true } = {}) {
  const supply = {
    isAmple,
    onScarce: undefined as (() => void) | undefined,
    awaitScarcity(onScarce: () => void) {
      supply.onScarce = onScarce
    },
  }
  const rest = new AcceptRest(supply)
  const one = new BareAcceptor()
  const two = new BareAcceptor()
  for (const acceptor of [one, two]) rest.add(acceptor)
  return { supply, rest, one, two }
}

test('acceptors accept at once while few connections wait for the workers', () => {
  const { rest, one, two } = resting({ isAmple: false })
  rest.offer()
  assert.deepEqual([one.isListening, two.isListening], [true, true])
})

test('they rest while enough wait, and accept together when few are left', () => {
  const { supply, rest, one, two } = resting()
  rest.offer()
  assert.deepEqual([one.isListening, two.isListening], [false, false])
  one.waiting = 3
  two.waiting = 4
  supply.onScarce?.()
  assert.deepEqual([one.accepted, two.accepted], [3, 4])
  assert.equal(one.isListening, false, 'enough wait again')
  supply.isAmple = false
  one.waiting = 1
  supply.onScarce?.()
  assert.deepEqual([one.accepted, one.isListening, two.isListening], [4, true, true])
})

test('a rest is short, even if nobody takes a connection', async () => {
  const { rest, one } = resting()
  rest.offer()
  one.waiting = 2
  await waitFor('them to be accepted', () => one.accepted === 2)
  await waitFor('the end of the rest, since no more came', () => one.isListening)
})

test('an acceptor that takes the place of the last one accepts at once', async () => {
  const { rest, one, two } = resting()
  rest.offer()
  for (const acceptor of [one, two]) rest.remove(acceptor)
  const next = new BareAcceptor()
  rest.add(next)
  assert.equal(next.isListening, true)
  rest.offer()
  assert.equal(next.isListening, false)
  await waitFor('the end of its rest', () => next.isListening)
})
