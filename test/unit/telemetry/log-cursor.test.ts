import assert from 'node:assert/strict'
import { readdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { LogCursor } from '../../../src/telemetry/log-follower.ts'
import { tempFolder } from '../support/temp-folder.ts'

test('what was written is read, by others too', (t) => {
  const path = join(tempFolder(t), 'cursor')
  new LogCursor(path).write(12)
  new LogCursor(path).write(34_567_890_123)
  assert.equal(new LogCursor(path).read(), 34_567_890_123)
  assert.equal(statSync(path).mode & 0o777, 0o600)
})

test('writing leaves no other file behind', (t) => {
  const path = join(tempFolder(t), 'cursor')
  new LogCursor(path).write(1)
  assert.deepEqual(readdirSync(dirname(path)), ['cursor'])
})

test('no cursor, or one that is no offset, is a beginning', (t) => {
  const path = join(tempFolder(t), 'cursor')
  const cursor = new LogCursor(path)
  assert.equal(cursor.read(), 0)
  for (const content of ['', 'x', '-5\n', '1e400', '99999999999999999999\n', 'NaN']) {
    writeFileSync(path, content)
    assert.equal(cursor.read(), content === '1e400' ? 1 : 0, content)
  }
})
