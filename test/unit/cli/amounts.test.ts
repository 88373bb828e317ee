import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ago, busyOf, memoryOf, perSecond, shortTime } from '../../../src/cli/amounts.ts'
import { statusWith, worker } from '../support/status.ts'

for (const [ms, text] of [
  [0, '0 ms'],
  [0.125, '0.13 ms'],
  [3.14, '3.1 ms'],
  [40.4, '40 ms'],
  [999, '999 ms'],
  [1_234, '1.2 s'],
  [12_345, '12 s'],
] as const) {
  test(`${ms} ms are ${text}`, () => assert.equal(shortTime(ms), text))
}

test('a rate has a decimal only where that says something', () => {
  assert.deepEqual([0, 0.04, 2.5, 9.96, 812.7].map(perSecond), ['0', '0', '2.5', '10', '813'])
})

test('a moment that is still to come, by another clock, is now', () => {
  const now = new Date('2026-01-01T00:05:00.000Z')
  assert.equal(ago('2026-01-01T00:02:00.000Z', now), '3 min')
  assert.equal(ago('2026-01-01T00:06:00.000Z', now), '0 ms')
})

test('memory is that of all processes, and busy is who has a connection', () => {
  const status = statusWith({ workers: [worker(1, { busyMs: 0 }), worker(2)] })
  assert.equal(memoryOf(status), 170 * 1_048_576)
  assert.equal(busyOf(status.workers), '1/2')
})
