import assert from 'node:assert/strict'
import { appendFileSync, existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { LogFile, rotatedName } from '../../../src/telemetry/log-file.ts'
import { tempFolder } from '../support/temp-folder.ts'

test('lines are appended to what is there, in a file of its owner alone', (t) => {
  const path = join(tempFolder(t), 'log')
  new LogFile(path).write('one\n')
  const file = new LogFile(path)
  file.write(Buffer.from('two\n'))
  file.write('drei ü\n')
  assert.equal(readFileSync(path, 'utf8'), 'one\ntwo\ndrei ü\n')
  assert.equal(statSync(path).mode & 0o777, 0o600)
})

test('a file that has reached its size is cut, and what was in it is kept beside it', (t) => {
  const path = join(tempFolder(t), 'log')
  const file = new LogFile(path, 10)
  file.write('12345\n')
  file.write('67890\n')
  assert.equal(existsSync(rotatedName(path)), false)
  file.write('next\n')
  assert.equal(readFileSync(rotatedName(path), 'utf8'), '12345\n67890\n')
  assert.equal(readFileSync(path, 'utf8'), 'next\n')
})

test('the size counts from what was there before, in bytes', (t) => {
  const path = join(tempFolder(t), 'log')
  appendFileSync(path, 'üüüüü')
  new LogFile(path, 10).write('next\n')
  assert.equal(readFileSync(path, 'utf8'), 'next\n')
})

test('the file stays the same one when it is cut: standard error is open on it', (t) => {
  const path = join(tempFolder(t), 'log')
  const file = new LogFile(path, 1)
  file.write('one\n')
  const { ino } = statSync(path)
  file.write('two\n')
  assert.equal(statSync(path).ino, ino)
})

test('between one cut and the next no line is lost or changed', (t) => {
  const folder = tempFolder(t)
  let count = 0
  const anyLine = fc.string({ maxLength: 30 }).map((text) => `${text.replaceAll('\n', ' ')}\n`)
  fc.assert(
    fc.property(fc.array(anyLine, { maxLength: 40 }), (lines) => {
      count += 1
      const path = join(folder, String(count))
      const file = new LogFile(path, 200)
      let all = ''
      for (const line of lines) {
        file.write(line)
        all += line
        const before = existsSync(rotatedName(path)) ? readFileSync(rotatedName(path), 'utf8') : ''
        assert.ok(all.endsWith(before + readFileSync(path, 'utf8')))
      }
    }),
    { numRuns: 50 },
  )
})

test('a disk that is full loses lines, tells how many, and goes on', (t) => {
  // Linux's own full disk.
  if (!existsSync('/dev/full')) return t.skip('needs /dev/full')
  const file = new LogFile('/dev/full')
  assert.doesNotThrow(() => file.write('lost\n'))
  assert.doesNotThrow(() => file.write('lost too\n'))
})
