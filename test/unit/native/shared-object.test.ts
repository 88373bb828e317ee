import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isWhole } from '../../../src/native/shared-object.ts'
import { tempFolder } from '../support/temp-folder.ts'

test('a program of this system is whole, and no part of it is', (t) => {
  const whole = readFileSync('/bin/true')
  const path = join(tempFolder(t), 'some.node')
  const isWholeAt = (bytes: number) => {
    writeFileSync(path, whole.subarray(0, bytes))
    return isWhole(path)
  }
  assert.equal(isWholeAt(whole.length), true)
  for (const bytes of [64, 4_096, whole.length - 4_096, whole.length - 1]) {
    assert.equal(isWholeAt(bytes), false, `${bytes} of ${whole.length} bytes`)
  }
})

test('a file of another kind is left to the loader', (t) => {
  const path = join(tempFolder(t), 'some.node')
  for (const content of ['', 'hello', '\x7fELF\x02\x01', '\x7fELF\x01\x01'.padEnd(200)]) {
    writeFileSync(path, content, 'latin1')
    assert.equal(isWhole(path), true, JSON.stringify(content))
  }
})

test('a FIFO holds nobody up', (t) => {
  const path = join(tempFolder(t), 'some.node')
  execFileSync('mkfifo', [path])
  assert.throws(() => isWhole(path), { message: 'it is not a regular file' })
})
