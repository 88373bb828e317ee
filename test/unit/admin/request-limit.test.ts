import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requestLimit } from '../../../src/admin/request-limit.ts'
import { Clock } from '../support/clock.ts'

test('a burst of 100 requests is answered, then 20 a second', (t) => {
  const clock = new Clock(t)
  const limit = requestLimit()
  const taken = () => Array.from({ length: 1_000 }, () => limit.take(1)).filter(Boolean).length
  assert.equal(taken(), 100)
  clock.advance(1_000)
  assert.equal(taken(), 20)
  clock.advance(3_600_000)
  assert.equal(taken(), 100)
})
