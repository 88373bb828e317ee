import assert from 'node:assert/strict'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import {
  type Progress,
  ProgressReader,
  ProgressWriter,
  reasons,
  steps,
  uncounted,
} from '../../../src/ipc/progress.ts'
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
  const reader = new ProgressReader((progress) => all.push(progress))
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

test('what is written is read, however it is cut', (t) => {
  const anySizes = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 })
  fc.assert(
    fc.property(fc.array(anyProgress, { maxLength: 20 }), anySizes, (all, sizes) => {
      const bytes = written(t, (writer) => {
        for (const { step, id, reason, ...traffic } of all) writer.write(step, id, reason, traffic)
      })
      assert.deepEqual(readAll(cut(bytes, sizes)), all)
    }),
    { numRuns: 50 },
  )
})

test('each report is of one size, which a pipe delivers whole', (t) => {
  const bytes = written(t, (writer) => {
    writer.write('gone', 1)
    writer.write('failed', 2, 'handler-error')
  })
  assert.equal(bytes.length, 48)
})

test('a report without a reason has none, whatever the one before it had', (t) => {
  const bytes = written(t, (writer) => {
    writer.write('failed', 1, 'deadline')
    writer.write('gone', 2)
  })
  assert.deepEqual(
    readAll([bytes]).map(({ reason }) => reason),
    ['deadline', 'none'],
  )
})

test('an id of more than 32 bits keeps its low ones', (t) => {
  const bytes = written(t, (writer) => writer.write('served', 2 ** 32 + 5))
  assert.equal(readAll([bytes])[0]?.id, 5)
})

test('an unknown step or reason is passed over, and the report after it is read', () => {
  const record = (...start: number[]) => Buffer.concat([Buffer.from(start), Buffer.alloc(24)], 24)
  const good = record(steps.indexOf('served'), 0, 0, 0, 7)
  for (const bad of [
    [steps.length, 0],
    [255, 0],
    [0, reasons.length],
    [0, 255],
  ]) {
    const bytes = Buffer.concat([record(...bad, 0, 0, 9), good])
    assert.deepEqual(readAll([bytes]), [{ step: 'served', reason: 'none', id: 7, ...uncounted }])
  }
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

test('a reader that is gone is no error of the writer', (t) => {
  const fd = openSync(join(tempFolder(t), 'pipe'), 'w')
  const writer = new ProgressWriter(fd)
  closeSync(fd)
  assert.doesNotThrow(() => writer.write('served', 1))
})
