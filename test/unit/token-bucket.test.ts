import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TokenBucket } from '../../src/token-bucket.ts'

test('the bucket grants its burst, then its rate, and never more than its burst', () => {
  let nowMs = 0
  const allowance = new TokenBucket(10, 4, () => nowMs)
  assert.deepEqual([allowance.take(8), allowance.take(3), allowance.take(2)], [true, false, true])
  assert.equal(allowance.take(1), false)
  nowMs += 500
  assert.deepEqual([allowance.take(2), allowance.take(1)], [true, false])
  nowMs += 60_000
  assert.deepEqual([allowance.take(11), allowance.take(10)], [false, true])
  allowance.add(3)
  assert.deepEqual([allowance.take(4), allowance.take(3)], [false, true])
})
