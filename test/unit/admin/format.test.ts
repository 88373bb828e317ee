import assert from 'node:assert/strict'
import { test } from 'node:test'
import { count, mebibytes, milliseconds, rate, span } from '../../../src/admin/page/format.ts'

for (const [told, text] of [
  [milliseconds(0.125), '0.13 ms'],
  [milliseconds(9.94), '9.9 ms'],
  [milliseconds(999.4), '999 ms'],
  [milliseconds(1_500), '1.5 s'],
  [milliseconds(61_000), '1 min 1 s'],
  [span(59_999), '59 s'],
  [span(3_599_999), '59 min 59 s'],
  [span(86_399_000), '23 h 59 min'],
  [span(90_000_000), '1 d 1 h'],
  [rate(0), '0'],
  [rate(0.24), '0.2'],
  [rate(12_345.6), '12,346'],
  [count(1_234_567), '1,234,567'],
  [mebibytes(0), '–'],
  [mebibytes(55_000_000), '52'],
] as const) {
  test(`it is told as ${text}`, () => assert.equal(told, text))
}
