import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  codeOf,
  exitStatusOf,
  HelloserverError,
  LineTooLongError,
  messageOf,
  stackOf,
} from '../../src/errors.ts'
import { hostileValues } from './support/hostile-values.ts'

test('the exit statuses are those of the contract', () => {
  const statuses = (
    ['BAD_USAGE', 'NOT_RUNNING', 'ALREADY_RUNNING', 'BAD_CONFIG', 'RELOAD_FAILED'] as const
  ).map((code) => exitStatusOf(new HelloserverError(code, 'x')))
  assert.deepEqual(statuses, [2, 3, 4, 78, 1])
  assert.equal(exitStatusOf(new Error('x')), 1)
  assert.equal(exitStatusOf(undefined), 1)
})

test('an error keeps its cause', () => {
  const cause = new Error('why')
  assert.equal(new HelloserverError('BOOT_FAILED', 'x', { cause }).cause, cause)
})

test('a line that is too long is told apart by class, by code and by its limit', () => {
  const error = new LineTooLongError(7)
  assert.ok(error instanceof HelloserverError)
  assert.deepEqual(
    [error.code, error.limitBytes, error.name],
    ['LINE_TOO_LONG', 7, 'LineTooLongError'],
  )
  assert.match(error.message, /7 bytes/)
})

test('whatever is thrown has a message, and a code when it has one', () => {
  assert.deepEqual([new Error('a'), 'b', 7, undefined, null].map(messageOf), [
    'a',
    'b',
    '7',
    'undefined',
    'null',
  ])
  const thrown = [Object.assign(new Error(), { code: 'ENOENT' }), { code: 7 }, null, 'x', {}]
  assert.deepEqual(thrown.map(codeOf), ['ENOENT', undefined, undefined, undefined, undefined])
})

test('whatever is thrown can be looked at, also what throws when it is', () => {
  for (const value of hostileValues()) {
    assert.equal(typeof messageOf(value), 'string')
    codeOf(value)
    stackOf(value)
  }
})

test('a message has a bound', () => {
  assert.ok(messageOf(new Error('x'.repeat(1_000_000))).length < 10_000)
})
