import assert from 'node:assert/strict'
import { closeSync, openSync } from 'node:fs'
import { test } from 'node:test'
import { OpenFiles } from '../../../src/connections/open-files.ts'

test('an open file is not free', { skip: process.platform !== 'linux' }, () => {
  const files = new OpenFiles()
  const before = files.free
  assert.ok(before > 0 && before < files.limit)
  const fd = openSync('/dev/null', 'r')
  assert.equal(files.free, before - 1)
  closeSync(fd)
  assert.equal(files.free, before)
})
