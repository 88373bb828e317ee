import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
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

test('a disk that is full loses lines, tells how many, and goes on', () => {
  // Linux's own full disk.
  const file = new LogFile('/dev/full')
  assert.doesNotThrow(() => file.write('lost\n'))
  assert.doesNotThrow(() => file.write('lost too\n'))
})

test('a part that cannot be kept is cut all the same, and the log says so', (t) => {
  const path = join(tempFolder(t), 'log')
  mkdirSync(rotatedName(path))
  const file = new LogFile(path, 10)
  for (const line of ['12345\n', '67890\n', 'next\n']) file.write(line)
  const [said = '', next, last, ...none] = readFileSync(path, 'utf8').split('\n')
  const { level, time, reason, msg } = JSON.parse(said) as Record<string, string>
  assert.deepEqual([level, msg], ['warn', 'The part before could not be kept'])
  assert.match(reason ?? '', /EISDIR/)
  assert.ok(Date.parse(time ?? '') > 0)
  assert.deepEqual([next, last, none], ['next', '', []])
})

/** Writes lines of ten bytes to a file that may not grow past 1024, as on a disk that fills up. */
const limited = `
  import { truncateSync } from 'node:fs'
  const [module, path] = process.argv.slice(1)
  const { LogFile } = await import(module)
  process.on('SIGXFSZ', () => {})
  const file = new LogFile(path)
  for (let line = 1; line <= 105; line += 1) file.write('line ' + String(line).padStart(4, '0') + '\\n')
  truncateSync(path, 25)
  file.write('after it\\n')
`

test('a line that was cut short counts as lost, and the next one begins on a line of its own', (t) => {
  const path = join(tempFolder(t), 'log')
  const module = fileURLToPath(new URL('../../../src/telemetry/log-file.js', import.meta.url))
  const node = [process.execPath, '--input-type=module', '-e', limited, module, path]
  // A POSIX shell counts blocks of 512 bytes.
  const shell = ['-c', 'ulimit -f 2 && exec "$@"', 'sh', ...node]
  const { status, stderr } = spawnSync('/bin/sh', shell, { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  const [one, two, torn, said = '', after, last] = readFileSync(path, 'utf8').split('\n')
  assert.deepEqual([one, two, torn], ['line 0001', 'line 0002', 'line '])
  const { lost, msg } = JSON.parse(said) as Record<string, unknown>
  // 102 lines fit; the next one fits in part.
  assert.deepEqual([lost, msg], [3, 'Log lines lost'])
  assert.deepEqual([after, last], ['after it', ''])
})
