import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deferred } from '../../../src/async/deferred.ts'
import { Attempts } from '../../../src/network/attempts.ts'

const quick = { baseMs: 1, capMs: 2 }
/** Longer than any test takes. */
const slow = { baseMs: 1e6, capMs: 1e6 }

test('it is tried until it succeeds, and no more', async () => {
  const attempts = new Attempts()
  const done = deferred<void>()
  let tried = 0
  attempts.start(
    quick,
    async () => ++tried === 3,
    () => done.resolve(),
  )
  await done.promise
  assert.equal(tried, 3)
})

test('a retry at once does not wait for the delay', async () => {
  const attempts = new Attempts()
  const done = deferred<void>()
  attempts.start(
    slow,
    async () => true,
    () => done.resolve(),
  )
  attempts.retryNow()
  await done.promise
})

test('an attempt that was given up does not count, and its signal is aborted', async () => {
  const attempts = new Attempts()
  const begun = deferred<AbortSignal>()
  const answer = deferred<boolean>()
  attempts.start(
    quick,
    (signal) => {
      begun.resolve(signal)
      return answer.promise
    },
    () => assert.fail('it was given up'),
  )
  const signal = await begun.promise
  attempts.stop()
  assert.equal(signal.aborted, true)
  answer.resolve(true)
  await answer.promise
})

test('a new start replaces the one before it', async () => {
  const attempts = new Attempts()
  const done = deferred<void>()
  attempts.start(
    slow,
    async () => assert.fail('it was replaced'),
    () => {},
  )
  attempts.start(
    quick,
    async () => true,
    () => done.resolve(),
  )
  await done.promise
})
