import assert from 'node:assert/strict'
import { appendFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { LogFile, rotatedName } from '../../../src/telemetry/log-file.ts'
import {
  boundedOffset,
  fileIdOf,
  LogFollower,
  lastLines,
} from '../../../src/telemetry/log-follower.ts'
import { tempFolder } from '../support/temp-folder.ts'

/** A log that may not exist yet, and someone who follows it. */
function followed(t: TestContext, offset = 0) {
  const path = join(tempFolder(t), 'log')
  const shown: string[] = []
  const offsets: number[] = []
  const follower = new LogFollower({
    path,
    offset,
    show: async (lines) => void shown.push(lines.toString()),
    onShown: (at) => offsets.push(at),
  })
  return { path, follower, offsets, text: () => shown.join('') }
}

test('a log that is not there yet is waited for', async (t) => {
  const { path, follower, text } = followed(t)
  await follower.catchUp()
  assert.equal(text(), '')
  writeFileSync(path, 'one\n')
  await follower.catchUp()
  assert.equal(text(), 'one\n')
})

test('a line is shown when it is whole, and once', async (t) => {
  const { path, follower, text, offsets } = followed(t)
  writeFileSync(path, 'one\ntw')
  await follower.catchUp()
  await follower.catchUp()
  assert.equal(text(), 'one\n')
  appendFileSync(path, 'o\n')
  await follower.catchUp()
  assert.equal(text(), 'one\ntwo\n')
  assert.deepEqual(offsets, [4, 8])
})

test('what came before the offset is not shown', async (t) => {
  const { path, follower, text } = followed(t, 4)
  writeFileSync(path, 'one\ntwo\n')
  await follower.catchUp()
  assert.equal(text(), 'two\n')
})

test('much at once is shown in parts that end with a line', async (t) => {
  const { path, follower, text } = followed(t)
  const all = Array.from({ length: 20_000 }, (_, at) => `line ${at}\n`).join('')
  writeFileSync(path, all)
  await follower.catchUp()
  assert.equal(text(), all)
})

test('a line that is longer than a part is shown all the same', async (t) => {
  const { path, follower, text } = followed(t)
  const all = `${'x'.repeat(200_000)}\nnext\n`
  writeFileSync(path, all)
  await follower.catchUp()
  assert.equal(text(), all)
})

test('over the cuts of its writer every line is shown once, in order', async (t) => {
  const anyBatches = fc.array(fc.array(fc.nat({ max: 60 }), { minLength: 1, maxLength: 4 }), {
    maxLength: 30,
  })
  await fc.assert(
    fc.asyncProperty(anyBatches, async (batches) => {
      const { path, follower, text } = followed(t)
      const file = new LogFile(path, 400)
      let all = ''
      for (const batch of batches) {
        for (const length of batch) {
          const line = `${'x'.repeat(length)}\n`
          file.write(line)
          all += line
        }
        // Sooner than the file can be cut twice, or grow past where it was cut: it holds 400 bytes at the least.
        await follower.catchUp()
        assert.equal(text(), all)
      }
    }),
    { numRuns: 50 },
  )
})

test('a file that was cut and has grown again while nobody looked is told from the one before', async (t) => {
  const path = join(tempFolder(t), 'log')
  writeFileSync(path, 'one\ntwo\n')
  const shown = { offset: 4, fileId: fileIdOf(path) }
  const follow = async () => {
    const lines: string[] = []
    await new LogFollower({
      path,
      ...shown,
      show: async (some) => void lines.push(some.toString()),
    }).catchUp()
    return lines.join('')
  }
  assert.equal(await follow(), 'two\n')
  renameSync(path, rotatedName(path))
  writeFileSync(path, 'three\nfour\nfive\n')
  assert.equal(await follow(), 'two\nthree\nfour\nfive\n')
  writeFileSync(rotatedName(path), 'cut again\n')
  assert.equal(await follow(), 'cut again\nthree\nfour\nfive\n')
})

test('what was written before the end is shown before following ends', async (t) => {
  const { path, follower, text } = followed(t)
  const end = new AbortController()
  const following = follower.follow(end.signal)
  writeFileSync(path, 'last words\n')
  end.abort()
  await following
  assert.equal(text(), 'last words\n')
})

test('catching up is bounded, and begins with a whole line', (t) => {
  const path = join(tempFolder(t), 'log')
  assert.deepEqual(boundedOffset(path, 0, 10), { offset: 0, skipped: 0 })
  writeFileSync(path, 'one\ntwo\nthree\n')
  assert.deepEqual(boundedOffset(path, 0, 100), { offset: 0, skipped: 0 })
  assert.deepEqual(boundedOffset(path, 4, 10), { offset: 4, skipped: 0 })
  assert.deepEqual(boundedOffset(path, 0, 8), { offset: 8, skipped: 8 })
  assert.deepEqual(boundedOffset(path, 4, 8), { offset: 8, skipped: 4 })
})

test('the last lines are those that tail would show, and where the next one begins', (t) => {
  const path = join(tempFolder(t), 'log')
  assert.deepEqual(lastLines(path, 5), { lines: Buffer.alloc(0), end: 0 })
  writeFileSync(path, 'one\n\nthree\nfo')
  const last = (count: number) => lastLines(path, count).lines.toString()
  assert.deepEqual([0, 1, 2, 3, 9].map(last), [
    '',
    'three\n',
    '\nthree\n',
    'one\n\nthree\n',
    'one\n\nthree\n',
  ])
  assert.equal(lastLines(path, 1).end, 11)
})

test('the last lines of a long log are whole', (t) => {
  const path = join(tempFolder(t), 'log')
  const lines = Array.from({ length: 30_000 }, (_, at) => `line ${at} ${'x'.repeat(at % 90)}\n`)
  writeFileSync(path, lines.join(''))
  const { lines: last, end } = lastLines(path, 3)
  assert.equal(last.toString(), lines.slice(-3).join(''))
  assert.equal(end, lines.join('').length)
})
