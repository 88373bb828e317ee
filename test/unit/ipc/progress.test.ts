import assert from 'node:assert/strict'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import {
  decodeProgress,
  type Progress,
  ProgressReader,
  ProgressWriter,
  statusOfStep,
  stepOfStatus,
  steps,
  uncounted,
} from '../../../src/ipc/progress.ts'
import { reasons } from '../../../src/lifecycle/fail-reasons.ts'
import { tempFolder } from '../support/temp-folder.ts'

const anyProgress = fc.record(
  {
    step: fc.constantFrom(...steps),
    reason: fc.constantFrom(...reasons),
    id: fc.integer({ min: 0, max: 0xffff_ffff }),
    bytesIn: fc.maxSafeNat(),
    bytesOut: fc.maxSafeNat(),
  },
  { noNullPrototype: true },
)

/** What a writer puts on its descriptor. */
function written(t: TestContext, write: (writer: ProgressWriter) => void): Buffer {
  const file = join(tempFolder(t), 'pipe')
  const fd = openSync(file, 'w')
  try {
    write(new ProgressWriter(fd))
  } finally {
    closeSync(fd)
  }
  return readFileSync(file)
}

function readAll(chunks: Iterable<Buffer>): Progress[] {
  const all: Progress[] = []
  const reader = new ProgressReader(
    (progress) => all.push(progress) > 0,
    () => {},
  )
  for (const chunk of chunks) reader.push(chunk)
  return all
}

function* cut(bytes: Buffer, sizes: readonly number[]): Generator<Buffer> {
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1
    yield bytes.subarray(at, at + size)
    at += size
  }
}

test('a written message is read, however it is cut', (t) => {
  const anySizes = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 })
  fc.assert(
    fc.property(fc.array(anyProgress, { maxLength: 20 }), anySizes, (all, sizes) => {
      const bytes = written(t, (writer) => {
        for (const progress of all) writer.write(progress)
      })
      assert.deepEqual(readAll(cut(bytes, sizes)), all)
    }),
    { numRuns: 50 },
  )
})

const report = (id: number): Progress => ({ step: 'served', reason: 'none', id, ...uncounted })

test('each report is of one size, which a pipe delivers whole', (t) => {
  const bytes = written(t, (writer) => {
    writer.write({ ...report(1), step: 'gone' })
    writer.write({ ...report(2), step: 'failed', reason: 'handler-error' })
  })
  assert.equal(bytes.length, 48)
})

test('an id of more than 32 bits keeps its low ones', (t) => {
  const bytes = written(t, (writer) => writer.write(report(2 ** 32 + 5)))
  assert.equal(readAll([bytes])[0]?.id, 5)
})

test('garbage throws nothing and gives only known steps and reasons', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), (chunks) => {
      for (const { step, reason, id } of readAll(chunks.map((chunk) => Buffer.from(chunk)))) {
        assert.ok(steps.includes(step) && reasons.includes(reason))
        assert.ok(Number.isInteger(id) && id >= 0)
      }
    }),
  )
})

test('a report between any garbage is found, and the garbage is told of once', (t) => {
  const garbage = fc.uint8Array({ minLength: 1, maxLength: 100 })
  fc.assert(
    fc.property(garbage, garbage, (before, after) => {
      const wanted = report(7)
      const seen: Progress[] = []
      let told = 0
      const reader = new ProgressReader(
        (progress) => progress.id === 7 && seen.push(progress) > 0,
        () => {
          told += 1
        },
      )
      reader.push(Buffer.concat([before, written(t, (writer) => writer.write(wanted)), after]))
      assert.deepEqual([seen, told], [[wanted], 1])
    }),
    { numRuns: 50 },
  )
})

test('a writer says when the pipe did not take its report', (t) => {
  const fd = openSync(join(tempFolder(t), 'pipe'), 'w')
  const writer = new ProgressWriter(fd)
  assert.equal(writer.write(report(1)), true)
  closeSync(fd)
  assert.equal(writer.write(report(1)), false)
})

test('how the last connection ended is said by the exit status as well', () => {
  for (const step of steps) assert.equal(stepOfStatus(statusOfStep(step)), step)
  for (const status of [null, 0, 1, 7, 78, 239, 244, 255])
    assert.equal(stepOfStatus(status), undefined)
})

test('a report in a message is read, or is none', () => {
  fc.assert(fc.property(anyProgress, (any) => assert.deepEqual(decodeProgress(any), any)))
  for (const value of [null, 7, {}, { ...report(1), id: -1 }, { ...report(1), step: 'toString' }]) {
    assert.equal(decodeProgress(value), undefined)
  }
})
