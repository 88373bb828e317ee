import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { visible, visibleJson, visibleLines, withVisibleTexts } from '../../src/visible-text.ts'
import { anyCharacter } from './support/any-character.ts'

/** Whatever a terminal takes for more than a character to show. */
const hidden = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u

/** Texts with more of it than chance has. */
const anyText = fc.string({
  unit: fc.oneof(
    anyCharacter,
    fc.constantFrom(
      '\x1b[2J',
      '\x9b',
      '\x7f',
      '\r\n',
      '\u202e',
      '\u2066',
      '\u2028',
      '\ud800',
      '\u{e0041}',
    ),
  ),
})

test('nothing of a text is hidden, nothing else is changed, and it stays so', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const shown = visible(text)
      assert.doesNotMatch(shown, hidden)
      assert.equal(visible(shown), shown)
      if (!hidden.test(text)) assert.equal(shown, text)
    }),
  )
  assert.equal(visible('\x1b]0;a\x07b\nc\u{e0041}'), '\\u001b]0;a\\u0007b\\nc\\udb40\\udc41')
})

test('JSON that is made visible means the same', () => {
  const anyValue = fc.oneof(fc.jsonValue(), fc.dictionary(anyText, anyText))
  fc.assert(
    fc.property(anyValue, (value) => {
      const json = JSON.stringify(value)
      const shown = visibleJson(json)
      assert.doesNotMatch(shown, hidden)
      assert.deepEqual(JSON.parse(shown), JSON.parse(json))
    }),
  )
})

test('lines stay lines', () => {
  assert.equal(visibleLines('{"a":"\x9b"}\nb\x1b\n'), '{"a":"\\u009b"}\nb\\u001b\n')
})

test('texts are made visible at whatever depth', () => {
  const value = { a: ['\x1b', 1, null, { b: '\x9b', c: true }] }
  assert.deepEqual(withVisibleTexts(value), { a: ['\\u001b', 1, null, { b: '\\u009b', c: true }] })
})
