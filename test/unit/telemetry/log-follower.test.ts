import assert from 'node:assert/strict'
import {
  appendFileSync,
  copyFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { LogFile, rotatedName } from '../../../src/telemetry/log-file.ts'
import { LogFollower } from '../../../src/telemetry/log-follower.ts'
import { logIdOf } from '../../../src/telemetry/log-part.ts'
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

test('lines before the offset are not shown', async (t) => {
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
  const shown = { offset: 4, fileId: logIdOf(path) }
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

test('lines written before the end are shown before following ends', async (t) => {
  const { path, follower, text } = followed(t)
  const end = new AbortController()
  const following = follower.follow(end.signal)
  writeFileSync(path, 'last words\n')
  end.abort()
  await following
  assert.equal(text(), 'last words\n')
})

test('catching up is bounded, and begins with a whole line', async (t) => {
  const path = join(tempFolder(t), 'log')
  writeFileSync(path, 'one\ntwo\nthree\n')
  const caughtUp = async (offset: number, maxCatchUpBytes: number) => {
    let text = ''
    const show = async (lines: Buffer) => void (text += lines.toString())
    const follower = new LogFollower({ path, offset, maxCatchUpBytes, show })
    await follower.catchUp()
    follower.close()
    return { text, skipped: follower.skippedBytes }
  }
  assert.deepEqual(await caughtUp(0, 100), { text: 'one\ntwo\nthree\n', skipped: 0 })
  assert.deepEqual(await caughtUp(4, 10), { text: 'two\nthree\n', skipped: 0 })
  assert.deepEqual(await caughtUp(0, 8), { text: 'three\n', skipped: 8 })
  assert.deepEqual(await caughtUp(4, 8), { text: 'three\n', skipped: 4 })
})

/** What others do to a log, each with how its writer goes on: by a call that gives the path that it appends to. */
const rotations: Readonly<Record<string, (path: string) => { late: string; next: string }>> = {
  'renamed, and made anew at once': (path) => {
    renameSync(path, `${path}.1`)
    writeFileSync(path, '')
    return { late: `${path}.1`, next: path }
  },
  'renamed, and made anew by its writer': (path) => {
    renameSync(path, `${path}-20251126`)
    return { late: `${path}-20251126`, next: path }
  },
  'copied and cut': (path) => {
    appendFileSync(path, 'late\n')
    copyFileSync(path, `${path}.1`)
    truncateSync(path)
    return { late: '/dev/null', next: path }
  },
}

for (const [what, rotate] of Object.entries(rotations)) {
  test(`a log that is ${what} is shown whole, and each line once`, async (t) => {
    const { path, follower, text } = followed(t)
    t.after(() => follower.close())
    writeFileSync(path, 'one\n')
    await follower.catchUp()
    appendFileSync(path, 'two\n')
    const { late, next } = rotate(path)
    await follower.catchUp()
    if (late !== '/dev/null') appendFileSync(late, 'late\n')
    appendFileSync(next, 'next is longer than what was there before\n')
    await follower.catchUp()
    await follower.catchUp()
    assert.equal(text(), 'one\ntwo\nlate\nnext is longer than what was there before\n')
  })

  test(`a follower that comes after the log was ${what} goes on where another stopped`, async (t) => {
    const { path, follower, text } = followed(t)
    writeFileSync(path, 'one\n')
    await follower.catchUp()
    follower.close()
    const position = { offset: 4, fileId: logIdOf(path) }
    appendFileSync(path, 'two\n')
    const { late, next } = rotate(path)
    if (late !== '/dev/null') appendFileSync(late, 'late\n')
    appendFileSync(next, 'next\n')
    let shown = text()
    const show = async (lines: Buffer) => void (shown += lines.toString())
    const another = new LogFollower({ path, ...position, show })
    await another.catchUp()
    another.close()
    assert.equal(shown, 'one\ntwo\nlate\nnext\n')
  })
}

test('a log that is removed, replaced by what is none, and made anew is followed', async (t) => {
  const { path, follower, text } = followed(t)
  t.after(() => follower.close())
  writeFileSync(path, 'one\n')
  await follower.catchUp()
  appendFileSync(path, 'two\n')
  rmSync(path)
  symlinkSync('/etc/passwd', path)
  await follower.catchUp()
  rmSync(path)
  writeFileSync(path, 'three\n')
  await follower.catchUp()
  assert.equal(text(), 'one\ntwo\nthree\n')
})

test('a log that was cut by hand and has grown past where it was is shown from its beginning', async (t) => {
  const { path, follower, text } = followed(t)
  t.after(() => follower.close())
  writeFileSync(path, 'one\n')
  await follower.catchUp()
  writeFileSync(path, 'another, and longer\n')
  await follower.catchUp()
  assert.equal(text(), 'one\nanother, and longer\n')
})

test('late lines of a renamed log move nobody back who goes on from what was shown', async (t) => {
  const { path, follower, offsets } = followed(t)
  t.after(() => follower.close())
  writeFileSync(path, 'one\n')
  await follower.catchUp()
  renameSync(path, `${path}.1`)
  writeFileSync(path, 'a first line\n')
  await follower.catchUp()
  appendFileSync(`${path}.1`, 'late\n')
  await follower.catchUp()
  assert.deepEqual(offsets, [4, 13])
})
