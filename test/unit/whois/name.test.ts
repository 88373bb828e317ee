import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { nameIn, nameKey } from '../../../apps/whois/name.ts'

const asked = (text: string, encoding: BufferEncoding = 'utf8') =>
  nameIn(Buffer.from(text, encoding))

test('blanks around a name and its CRLF are no part of it', () => {
  assert.equal(asked(' \texample.test \r\n'), 'example.test')
  assert.equal(asked('example.test'), 'example.test')
  assert.equal(asked('\r\n'), '')
})

test('blanks within a name count once', () => {
  assert.equal(asked('Ada \t  Harbour\r\n'), 'Ada Harbour')
})

test('a character that could act on a terminal is replaced', () => {
  assert.equal(asked('a\x1b[2Jb\x00\x7f\x9b\r\n'), 'a?[2Jb???')
  assert.equal(asked('a\u202Eb\u200Bc\r\n'), 'a?b?c')
})

test('bytes that are no UTF-8 become the replacement character', () => {
  assert.equal(asked('a\xff\xfeb\r\n', 'latin1'), 'a\uFFFD\uFFFDb')
})

test('any bytes at all become one line that can be shown', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const name = nameIn(Buffer.from(bytes))
      assert.doesNotMatch(name, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
      assert.equal(name, name.trim())
    }),
  )
})

test('case, blanks and composition make no difference to a key', () => {
  assert.equal(nameKey(' EXAMPLE.Test '), 'example.test')
  assert.equal(nameKey('Ada   Harbour'), 'ada harbour')
  assert.equal(nameKey('Bu\u0308cher'), nameKey('BÜCHER'))
})
