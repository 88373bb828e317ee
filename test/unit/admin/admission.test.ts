import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Admission } from '../../../src/admin/admission.ts'
import { Clock } from '../support/clock.ts'

test('a burst is answered, then so many in a second', (t) => {
  const clock = new Clock(t)
  const admission = new Admission()
  const taken = () => Array.from({ length: 1_000 }, () => admission.take()).filter(Boolean).length
  assert.equal(taken(), 100)
  clock.advance(1_000)
  assert.equal(taken(), 20)
  clock.advance(3_600_000)
  assert.equal(taken(), 100)
})
