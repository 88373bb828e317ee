import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { defaultRespawnPolicy, respawnDelayMs } from '../../../src/lifecycle/respawn.ts'

const policy = { baseMs: 100, capMs: 5_000, stableAfterMs: 2_000, loopAfter: 3 }
const anyFailures = fc.integer({ min: 2, max: 2_000 })
const anyRandom = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

test('the first failure costs no time', () => {
  fc.assert(fc.property(anyRandom, (random) => respawnDelayMs(1, random, policy) === 0))
  assert.equal(respawnDelayMs(0, 0.5, policy), 0)
})

test('the delay doubles from the second failure on, until the cap', () => {
  const longest = [2, 3, 4, 5, 6, 7, 8, 9].map((failures) =>
    respawnDelayMs(failures, 0.999_999_999, policy),
  )
  assert.deepEqual(longest, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000])
})

test('half of the delay is certain and half of it random', () => {
  assert.equal(respawnDelayMs(3, 0, policy), 100)
  assert.equal(respawnDelayMs(3, 0.5, policy), 150)
})

test('the delay is whole milliseconds, never more than the cap, never less than half of what is due', () => {
  fc.assert(
    fc.property(anyFailures, anyRandom, (failures, random) => {
      const delay = respawnDelayMs(failures, random, policy)
      const due = Math.min(policy.capMs, policy.baseMs * 2 ** (failures - 2))
      assert.ok(Number.isInteger(delay))
      assert.ok(delay >= Math.floor(due / 2) && delay <= due, `${delay} of ${due}`)
    }),
  )
})

test('one more failure never shortens the delay, the randomness being equal', () => {
  fc.assert(
    fc.property(anyFailures, anyRandom, (failures, random) => {
      const before = respawnDelayMs(failures, random, policy)
      assert.ok(respawnDelayMs(failures + 1, random, policy) >= before)
    }),
  )
})

test('slots that failed together do not come back together', () => {
  const delays = new Set([0, 0.25, 0.5, 0.75].map((random) => respawnDelayMs(6, random, policy)))
  assert.equal(delays.size, 4)
})

test('the policy in use can tell a crash loop before its delays reach the cap', () => {
  const { baseMs, capMs, loopAfter } = defaultRespawnPolicy
  assert.ok(baseMs > 0 && baseMs * 2 ** (loopAfter - 2) < capMs)
})
