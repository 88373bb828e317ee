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

test('while they are suspended, they accept nothing, whatever is offered or scarce', async () => {
  const { supply, rest, one, two } = resting()
  rest.offer()
  rest.suspend()
  one.waiting = 2
  supply.onScarce?.()
  supply.isAmple = false
  rest.offer()
  assert.deepEqual([one.isListening, two.isListening, one.accepted], [false, false, 0])
  supply.isAmple = true
  supply.onScarce = undefined
  rest.offer()
  assert.equal(supply.onScarce, undefined, 'it is no rest')
  rest.suspend()
  // Longer than a rest.
  const startedMs = performance.now()
  await waitFor('a rest to be over', () => performance.now() > startedMs + 20)
  assert.deepEqual([one.isListening, one.accepted], [false, 0])
})

test('acceptors that listen do not once they are suspended, nor does one that is added then', () => {
  const { rest, one, two } = resting()
  assert.equal(one.isListening, true)
  rest.suspend()
  const three = new BareAcceptor()
  rest.add(three)
  assert.deepEqual([one.isListening, two.isListening, three.isListening], [false, false, false])
  for (const acceptor of [one, two, three]) acceptor.waiting = 2
  rest.resume()
  assert.deepEqual([one.accepted, two.accepted, three.accepted], [2, 2, 2])
  assert.deepEqual([one.isListening, two.isListening, three.isListening], [true, true, true])
})

test('acceptors that were not suspended are not resumed', () => {
  const { rest, one } = resting()
  one.waiting = 1
  rest.resume()
  assert.equal(one.accepted, 0)
  rest.offer()
  rest.resume()
  assert.deepEqual([one.accepted, one.isListening], [0, false], 'the rest goes on')
})

test('after a suspension, they rest as ever', async () => {
  const { supply, rest, one } = resting()
  rest.offer()
  rest.suspend()
  rest.resume()
  assert.equal(one.isListening, true)
  rest.offer()
  assert.equal(one.isListening, false)
  one.waiting = 1
  supply.isAmple = false
  supply.onScarce?.()
  assert.deepEqual([one.accepted, one.isListening], [1, true])
})

test('an acceptor that takes the place of the last one that was suspended accepts at once', () => {
  const { rest, one, two } = resting()
  rest.suspend()
  for (const acceptor of [one, two]) rest.remove(acceptor)
  const next = new BareAcceptor()
  rest.add(next)
  assert.equal(next.isListening, true)
})
