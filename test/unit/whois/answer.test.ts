import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answerTo, tooLongAnswer } from '../../../apps/whois/answer.ts'

const records = new Map([['example.test', ['domain: Example.test', 'holder: X']]])

test('a name is answered with its lines, each ending in CRLF', () => {
  assert.equal(answerTo('EXAMPLE.test', records), 'domain: Example.test\r\nholder: X\r\n')
})

test('a name that is not there is answered with a comment that quotes it', () => {
  assert.equal(answerTo('other.test', records), '% No match for "other.test"\r\n')
})

test('names that objects have of their own are not there either', () => {
  for (const name of ['constructor', '__proto__', 'toString']) {
    assert.equal(answerTo(name, records), `% No match for "${name}"\r\n`)
  }
})

test('an empty query is told what to send', () => {
  assert.match(answerTo('', records), /^% Error: The query is empty\r\n% Send one name.*\r\n$/)
})

test('a query that is too long is told the limit', () => {
  assert.equal(tooLongAnswer(1024), '% Error: The query is too long; the limit is 1024 bytes\r\n')
})
