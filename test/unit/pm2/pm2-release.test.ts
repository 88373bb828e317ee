import assert from 'node:assert/strict'
import { test } from 'node:test'
import { quirksOf } from '../../../src/pm2/pm2-release.ts'

test('only the older releases of pm2 need other treatment', () => {
  assert.deepEqual(quirksOf('5.4.3'), { reversesFigures: true, waitsForTheDead: true })
  assert.deepEqual(quirksOf('6.0.14'), { reversesFigures: true, waitsForTheDead: true })
  for (const version of ['7.0.4', '8.0.0', undefined]) {
    assert.deepEqual(quirksOf(version), { reversesFigures: false, waitsForTheDead: false })
  }
})
