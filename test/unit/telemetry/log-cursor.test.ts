import assert from 'node:assert/strict'
import { readdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { LogCursor } from '../../../src/telemetry/log-cursor.ts'
import { tempFolder } from '../support/temp-folder.ts'

test('a written cursor can be read, by other processes too', (t) => {
  const path = join(tempFolder(t), 'cursor')
  new LogCursor(path).write({ offset: 12, fileId: 'ab' })
  new LogCursor(path).write({ offset: 34_567_890_123, fileId: '0f' })
  assert.deepEqual(new LogCursor(path).read(), { offset: 34_567_890_123, fileId: '0f' })
  assert.equal(statSync(path).mode & 0o777, 0o600)
})

test('writing leaves no other file behind', (t) => {
  const path = join(tempFolder(t), 'cursor')
  new LogCursor(path).write({ offset: 1, fileId: 'ab' })
  assert.deepEqual(readdirSync(dirname(path)), ['cursor'])
})

test('no cursor, or one that makes no sense, is none', (t) => {
  const path = join(tempFolder(t), 'cursor')
  const cursor = new LogCursor(path)
  assert.equal(cursor.read(), undefined)
  for (const content of [
    '',
    'x',
    '5\n',
    '-5 ab\n',
    '1e4 ab\n',
    '9999999999999999999 ab\n',
    '5 ab',
  ]) {
    writeFileSync(path, content)
    assert.equal(cursor.read(), undefined, content)
  }
})
