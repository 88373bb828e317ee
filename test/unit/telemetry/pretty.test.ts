import assert from 'node:assert/strict'
import { test } from 'node:test'
import { prettyLine } from '../../../src/telemetry/pretty.ts'

const pretty = prettyLine(false)
const evil = '\x1b[2J\x9b1m\u202e\r\nfaked'
const shown = /\\+u001b\[2J\\+u009b1m\\+u202e\\+r\\+nfaked/

test('foreign text cannot command the terminal, wherever it is in a line', () => {
  for (const line of [
    JSON.stringify({ level: 'info', msg: evil }),
    JSON.stringify({ level: 'info', msg: 'a', reason: evil, deep: { in: [evil] } }),
    JSON.stringify({ level: 'error', msg: 'a', error: { type: 'Error', message: evil } }),
    `no JSON: ${evil}`,
  ]) {
    const text = pretty(`${line}\n`)
    assert.match(text, shown)
    assert.doesNotMatch(text.replaceAll('\n', ''), /[\p{Cc}\p{Cf}]/u)
  }
})

test('the stack of an error keeps its lines, and only these', () => {
  const error = { type: 'Error', message: 'no', stack: 'Error: \x1b[2J\n    at one\n    at two' }
  const text = pretty(`${JSON.stringify({ level: 'error', msg: 'a', error })}\n`)
  assert.match(text, /Error: \\u001b\[2J\n +at one\n +at two/)
})
