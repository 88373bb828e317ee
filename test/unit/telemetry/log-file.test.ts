import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  appendFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
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

test('a part that cannot be kept is cut all the same, and the log says so', (t) => {
  const path = join(tempFolder(t), 'log')
  mkdirSync(rotatedName(path))
  const file = new LogFile(path, 10)
  for (const line of ['12345\n', '67890\n', 'next\n']) file.write(line)
  const [said = '', next, last, ...none] = readFileSync(path, 'utf8').split('\n')
  const { level, time, reason, msg } = JSON.parse(said) as Record<string, string>
  assert.deepEqual([level, msg], ['warn', 'Cannot keep the previous part of the log'])
  assert.match(reason ?? '', /EISDIR/)
  assert.ok(Date.parse(time ?? '') > 0)
  assert.deepEqual([next, last, none], ['next', '', []])
})

/** Writes lines of ten bytes to a file that may not grow past 1024, as on a disk that fills up. */
const limited = `
  import { truncateSync } from 'node:fs'
  const [module, path, count, isShared] = process.argv.slice(1)
  const { LogFile } = await import(module)
  process.on('SIGXFSZ', () => {})
  const file = new LogFile(path)
  // A file that others write to, too, is not cut.
  if (isShared === 'shared') file.share(new Promise(() => {}))
  for (let line = 1; line <= Number(count); line += 1) file.write('line ' + String(line).padStart(4, '0') + '\\n')
  if (isShared !== 'shared') process.exit()
  truncateSync(path, 25)
  file.write('after it\\n')
`

function writeLimited(path: string, count: number, how: 'shared' | 'alone'): void {
  const module = fileURLToPath(new URL('../../../src/telemetry/log-file.js', import.meta.url))
  const args = [module, path, String(count), how]
  const node = [process.execPath, '--input-type=module', '-e', limited, ...args]
  // A POSIX shell counts blocks of 512 bytes.
  const shell = ['-c', 'ulimit -f 2 && exec "$@"', 'sh', ...node]
  const { status, stderr } = spawnSync('/bin/sh', shell, { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
}

test('where the system allows less than its size, it is cut earlier, and what was lost is said', (t) => {
  const path = join(tempFolder(t), 'log')
  writeLimited(path, 150, 'alone')
  const [said = '', ...lines] = readFileSync(path, 'utf8').trim().split('\n')
  const { lost, reason, msg } = JSON.parse(said) as Record<string, unknown>
  assert.deepEqual([lost, msg], [1, 'Log lines were lost'])
  assert.match(String(reason), /^EFBIG/)
  // 102 lines had fitted.
  assert.deepEqual([lines[0], lines.at(-1), lines.length], ['line 0104', 'line 0150', 47])
  assert.match(readFileSync(rotatedName(path), 'utf8'), /^line 0001\n.*\nline 0102\nline$/s)
})

test('a line that was cut short counts as lost, and the next one begins on a line of its own', (t) => {
  const path = join(tempFolder(t), 'log')
  writeLimited(path, 105, 'shared')
  const [one, two, torn, said = '', after, last] = readFileSync(path, 'utf8').split('\n')
  assert.deepEqual([one, two, torn], ['line 0001', 'line 0002', 'line '])
  const { lost, msg } = JSON.parse(said) as Record<string, unknown>
  // 102 lines fit; the next one fits in part.
  assert.deepEqual([lost, msg], [3, 'Log lines were lost'])
  assert.deepEqual([after, last], ['after it', ''])
})

test('a line that the disk had no room for the end of is not continued by the next process', (t) => {
  const path = join(tempFolder(t), 'log')
  writeFileSync(path, 'one\ntw')
  new LogFile(path).write('next\n')
  assert.equal(readFileSync(path, 'utf8'), 'one\ntw\nnext\n')
})

test('a log that was renamed is gone on with at its path, and what was written stays where it is', (t) => {
  const path = join(tempFolder(t), 'log')
  const file = new LogFile(path)
  file.write('one\n')
  assert.equal(file.isThere, true)
  renameSync(path, `${path}.1`)
  assert.equal(file.isThere, false)
  file.write('two\n')
  file.reopen()
  file.write('three\n')
  assert.equal(file.isThere, true)
  assert.equal(readFileSync(`${path}.1`, 'utf8'), 'one\ntwo\n')
  assert.equal(readFileSync(path, 'utf8'), 'three\n')
  assert.equal(statSync(path).mode & 0o777, 0o600)
})

test('opening it again while it is there changes nothing', (t) => {
  const path = join(tempFolder(t), 'log')
  const file = new LogFile(path)
  const { ino } = statSync(path)
  file.reopen()
  file.write('one\n')
  assert.deepEqual([statSync(path).ino, readFileSync(path, 'utf8')], [ino, 'one\n'])
})

test('a file that others have renamed is never cut, nor what is at its path by then', (t) => {
  const path = join(tempFolder(t), 'log')
  const file = new LogFile(path, 10)
  renameSync(path, `${path}.1`)
  writeFileSync(path, 'not mine\n'.repeat(5))
  const lines = Array.from({ length: 50 }, (_, at) => `line ${at}\n`)
  for (const line of lines) file.write(line)
  assert.equal(readFileSync(`${path}.1`, 'utf8'), lines.join(''))
  assert.equal(readFileSync(path, 'utf8'), 'not mine\n'.repeat(5))
  assert.equal(existsSync(rotatedName(path)), false)
})

test('what logrotate keeps as "log.1" is left alone when the log is cut', (t) => {
  const path = join(tempFolder(t), 'log')
  writeFileSync(`${path}.1`, 'yesterday\n')
  const file = new LogFile(path, 10)
  for (const line of ['12345\n', '67890\n', 'next\n']) file.write(line)
  assert.equal(readFileSync(`${path}.1`, 'utf8'), 'yesterday\n')
})

test('the size is that of the file, not of what was written, when others have cut it', (t) => {
  const path = join(tempFolder(t), 'log')
  const file = new LogFile(path, 10)
  for (const line of ['12345\n', '67890\n']) file.write(line)
  truncateSync(path)
  file.write('next\n')
  assert.equal(readFileSync(path, 'utf8'), 'next\n')
  assert.equal(existsSync(rotatedName(path)), false)
})

test('a file that two processes write to is cut when one of them is left', async (t) => {
  const path = join(tempFolder(t), 'log')
  const file = new LogFile(path, 10)
  let end: () => void = () => {}
  const alone = new Promise<void>((resolve) => {
    end = resolve
  })
  file.share(alone)
  for (const line of ['12345\n', '67890\n', 'more\n']) file.write(line)
  assert.equal(existsSync(rotatedName(path)), false)
  end()
  await alone
  file.write('last\n')
  assert.equal(readFileSync(rotatedName(path), 'utf8'), '12345\n67890\nmore\n')
  assert.equal(readFileSync(path, 'utf8'), 'last\n')
})

/** What may be at a log's path in place of one. Opening any of them must not wait. */
const others: Readonly<Record<string, (path: string) => void>> = {
  'a symbolic link': (path) => symlinkSync(`${path}.target`, path),
  'a FIFO': (path) => void spawnSync('mkfifo', [path]),
  'a folder': (path) => mkdirSync(path),
  'a device': (path) => symlinkSync('/dev/full', path),
}

for (const [what, put] of Object.entries(others)) {
  test(`${what} in its place is not opened, and the file that was there is written to as before`, (t) => {
    const path = join(tempFolder(t), 'log')
    const file = new LogFile(path)
    renameSync(path, `${path}.1`)
    put(path)
    assert.throws(() => file.reopen(), /"?\/.*\/log['"]/)
    assert.throws(() => new LogFile(path))
    file.write('one\n')
    assert.equal(readFileSync(`${path}.1`, 'utf8'), 'one\n')
    assert.equal(existsSync(`${path}.target`), false)
  })

  test(`${what} where the part before the cut is kept is neither opened nor followed`, (t) => {
    const path = join(tempFolder(t), 'log')
    put(rotatedName(path))
    const file = new LogFile(path, 10)
    for (const line of ['12345\n', '67890\n', 'next\n']) file.write(line)
    assert.match(readFileSync(path, 'utf8'), /next\n$/)
    const kept = lstatSync(rotatedName(path))
    assert.equal(kept.isFile() || kept.isDirectory(), true)
    assert.equal(existsSync(`${rotatedName(path)}.target`), false)
  })
}

const mayGiveAway = process.getuid?.() === 0

test('a log that belongs to another user is not written to', {
  skip: !mayGiveAway && 'only root can make a file that is not its own',
}, (t) => {
  const path = join(tempFolder(t), 'log')
  writeFileSync(path, '')
  spawnSync('chown', ['65534', path])
  assert.throws(() => new LogFile(path), { message: /belongs to user 65534, not to 0/ })
  rmSync(path)
})
