import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { lastLines, logIdOf } from '../../../src/telemetry/log-part.ts'
import { tempFolder } from '../support/temp-folder.ts'

test('the last lines are those that tail would show, and where the next one begins', (t) => {
  const path = join(tempFolder(t), 'log')
  assert.deepEqual(lastLines(path, 5), { lines: Buffer.alloc(0), offset: 0, fileId: logIdOf(path) })
  writeFileSync(path, 'one\n\nthree\nfo')
  const last = (count: number) => lastLines(path, count).lines.toString()
  assert.deepEqual([0, 1, 2, 3, 9].map(last), [
    '',
    'three\n',
    '\nthree\n',
    'one\n\nthree\n',
    'one\n\nthree\n',
  ])
  assert.equal(lastLines(path, 1).offset, 11)
})

test('the last lines of a long log are whole', (t) => {
  const path = join(tempFolder(t), 'log')
  const lines = Array.from({ length: 30_000 }, (_, at) => `line ${at} ${'x'.repeat(at % 90)}\n`)
  writeFileSync(path, lines.join(''))
  const { lines: last, offset } = lastLines(path, 3)
  assert.equal(last.toString(), lines.slice(-3).join(''))
  assert.equal(offset, lines.join('').length)
})
