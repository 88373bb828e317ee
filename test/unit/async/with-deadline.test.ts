import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { deferred } from '../../../src/async/deferred.ts'
import { withDeadline } from '../../../src/async/with-deadline.ts'
import { Clock } from '../support/clock.ts'

test('a promise that is settled before its deadline has its own outcome', async (t) => {
  const clock = new Clock(t)
  const onLate = () => assert.fail('it was not late')
  assert.equal(await withDeadline(Promise.resolve(1), 10, onLate), 1)
  await assert.rejects(withDeadline(Promise.reject(new Error('no')), 10, onLate), /^Error: no$/)
  clock.advance(10)
  await nextTurn()
})

test('at the deadline, the outcome is what `onLate` returns, awaits or throws', async (t) => {
  const clock = new Clock(t)
  const never = new Promise<never>(() => {})
  const waits = [
    withDeadline(never, 10, () => 'late'),
    withDeadline(never, 10, async () => 'later'),
    withDeadline(never, 10, () => {
      throw new Error('too late')
    }),
  ]
  clock.advance(9)
  assert.equal(await Promise.race([...waits, nextTurn('pending')]), 'pending')
  clock.advance(1)
  const outcomes = await Promise.allSettled(waits)
  assert.deepEqual(
    outcomes.map((one) => (one.status === 'fulfilled' ? one.value : String(one.reason))),
    ['late', 'later', 'Error: too late'],
  )
})

test('a rejection after the deadline ends no process', async (t) => {
  const clock = new Clock(t)
  const work = deferred<never>()
  const unhandled = t.mock.fn()
  process.on('unhandledRejection', unhandled)
  t.after(() => process.off('unhandledRejection', unhandled))
  const waiting = withDeadline(work.promise, 10, () => 'late')
  clock.advance(10)
  assert.equal(await waiting, 'late')
  work.reject(new Error('no'))
  await nextTurn()
  assert.equal(unhandled.mock.callCount(), 0)
})
