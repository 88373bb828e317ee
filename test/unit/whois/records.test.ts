import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseRecords } from '../../../apps/whois/records.ts'
import { anyCharacter } from '../support/any-character.ts'

const shipped = new URL('../../../../apps/whois/records.txt', import.meta.url)
const parse = (...lines: string[]) => parseRecords(lines.join('\n'), 'r.txt')

test('blocks become records under the value of their first key', () => {
  const records = parse('domain: A.test', 'holder: X', '', 'person: P1-TEST', 'name: Y', '')
  assert.deepEqual(
    [...records],
    [
      ['a.test', ['domain: A.test', 'holder: X']],
      ['p1-test', ['person: P1-TEST', 'name: Y']],
    ],
  )
})

test('comments are left out wherever they stand, and do not end a record', () => {
  const records = parse('# one', 'domain: a', '% two', 'holder: X # no comment', '#')
  assert.deepEqual(records.get('a'), ['domain: a', 'holder: X # no comment'])
})

test('a line that begins with a blank goes on with the record', () => {
  const records = parse('person: p', 'address: 1 Quay', '   Port', '\t% kept')
  assert.deepEqual(records.get('p'), ['person: p', 'address: 1 Quay', '   Port', '\t% kept'])
})

test('line ends, trailing blanks and a byte order mark make no difference', () => {
  assert.deepEqual(
    parseRecords('\uFEFFdomain: a \r\nholder: X\t\r\n \r\n', 'r.txt'),
    parse('domain: a', 'holder: X'),
  )
})

test('a value may be empty, but not the one that names the record', () => {
  assert.deepEqual(parse('domain: a', 'remarks:').get('a'), ['domain: a', 'remarks:'])
  assert.throws(
    () => parse('domain:  '),
    /^Error: r\.txt:1: Got "domain: {2}"; expected the record's name/,
  )
})

const refused: readonly (readonly [what: string, lines: string[], message: RegExp])[] = [
  ['a line without a colon', ['domain: a', 'holder X'], /r\.txt:2: Got "holder X"; expected "key:/],
  ['a key that is no word', ['1: a'], /r\.txt:1: Got "1: a"; expected "key: value"/],
  [
    'a continuation of nothing',
    ['domain: a', '', ' more'],
    /r\.txt:3: Got " more"; expected a rec/,
  ],
  ['a name twice', ['a: X y', '', 'b: x  Y'], /r\.txt:3: .*record on line 1 has this one/],
  [
    'a control character',
    ['domain: a', 'x: \x1b[2J'],
    /r\.txt:2: Got .*\\u001b.* expected printable/,
  ],
  ['a control character in a comment', ['# \x07'], /r\.txt:1: .*printable/],
  ['bytes that were no UTF-8', ['domain: b\uFFFDcher'], /r\.txt:1: .*printable UTF-8/],
  ['an empty file', [], /r\.txt: Got no record; expected at least one/],
  ['a file of comments', ['# nothing', ''], /Got no record/],
]

for (const [what, lines, message] of refused) {
  test(`${what} is refused`, () => {
    assert.throws(() => parse(...lines), message)
  })
}

test('no text but a good one gets through, and what gets through can be shown', () => {
  const anyLine = fc.oneof(
    fc.string({ unit: anyCharacter, maxLength: 20 }),
    fc.constantFrom('a: b', 'c: d', '', ' e', '# f'),
  )
  fc.assert(
    fc.property(fc.array(anyLine), (lines) => {
      try {
        for (const [name, answer] of parse(...lines)) {
          assert.notEqual(name, '')
          for (const line of answer) assert.doesNotMatch(line, /[^\P{Cc}\t]/u)
        }
      } catch (error) {
        assert.match(String(error), /r\.txt(:\d+)?: Got .*; expected /s)
      }
    }),
  )
})

test('the shipped file is good', () => {
  const records = parseRecords(readFileSync(shipped, 'utf8'), 'records.txt')
  assert.ok(records.has('example.test'))
})
