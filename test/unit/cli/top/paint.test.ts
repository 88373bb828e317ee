import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fields, paint, span } from '../../../../src/cli/top/paint.ts'

const plain = (text: string, columns = 20) => paint([span(text)], columns, false)

test('a line that fits is as it is, one that is cut says so', () => {
  assert.equal(plain('12345', 5), '12345')
  assert.equal(plain('123456', 5), '1234…')
  assert.equal(plain('12', 1), '…')
  assert.equal(paint([span('123'), span('456', 'red')], 5, true), '123\x1b[31m4\x1b[0m…')
})

test('a wide character takes two cells, a mark on another none', () => {
  assert.equal(plain('日本語', 6), '日本語')
  assert.equal(plain('日本語', 5), '日本…')
  assert.equal(plain('日本語', 4), '日…')
  assert.equal(plain('e\u0301te\u0301', 3), 'e\u0301te\u0301')
})

test('text from outside cannot command the terminal', () => {
  assert.equal(plain('a\x1b[2Jb\r\nc\u009Bd\u202Ee', 40), 'a\\u001b[2Jb\\r\\nc\\u009bd\\u202ee')
})

test('pieces that do not fit are left out whole, and that is said', () => {
  const shown = (columns: number) =>
    paint(fields([[span('one')], [span('two')], [span('three')]], columns), columns, false)
  assert.equal(shown(15), 'one  two  three')
  assert.equal(shown(14), 'one  two  …')
  assert.equal(shown(10), 'one  …')
  assert.equal(shown(3), 'on…')
})
