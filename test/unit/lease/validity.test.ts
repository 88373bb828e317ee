import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Validity } from '../../../src/lease/validity.ts'

function clocks() {
  const at = { monotonicMs: 1_000, wallMs: 5_000_000 }
  const pass = (ms: number) => {
    at.monotonicMs += ms
    at.wallMs += ms
  }
  return {
    at,
    pass,
    validity: new Validity(
      () => at.monotonicMs,
      () => at.wallMs,
    ),
  }
}

test('it holds until its deadline, and not at it', () => {
  const { pass, validity } = clocks()
  assert.equal(validity.isValid(), false)
  validity.extend(1_100)
  pass(99)
  assert.equal(validity.isValid(), true)
  assert.equal(validity.remainingMs, 1)
  pass(1)
  assert.equal(validity.isValid(), false)
  assert.equal(validity.remainingMs, 0)
})

test('a validity that was ended counts no more', () => {
  const { validity } = clocks()
  validity.extend(9_000)
  validity.end()
  assert.equal(validity.isValid(), false)
})

test('a wall clock that has run ahead puts it in doubt until it is extended', () => {
  const { at, validity } = clocks()
  validity.extend(9_000)
  at.wallMs += 60_000
  assert.equal(validity.isValid(), false)
  assert.ok(validity.remainingMs > 0, 'it may still be renewed')
  validity.extend(9_000)
  assert.equal(validity.isValid(), true)
})

test('a wall clock that is set back, or by little, changes nothing', () => {
  const { at, pass, validity } = clocks()
  validity.extend(9_000)
  at.wallMs += 200
  assert.equal(validity.isValid(), true)
  at.wallMs -= 3_600_000
  pass(10)
  assert.equal(validity.isValid(), true)
})
