import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { lines } from '../../../src/telemetry/lines.ts'

const kept = (seen: string[]) => (line: Buffer) => seen.push(line.toString())
const noneSkipped = (count: number) => assert.fail(`${count} lines were skipped`)

test('lines come without their newlines; empty ones, and one without an end, do not come', () => {
  const seen: string[] = []
  lines(kept(seen), noneSkipped)(Buffer.from('one\n\ntwo\nthree'))
  assert.deepEqual(seen, ['one', 'two'])
})

test('however the text is cut, the lines are the same', () => {
  const anyChunk = fc.string({ unit: fc.constantFrom('a', 'ü', '\n'), maxLength: 6 })
  fc.assert(
    fc.property(fc.array(anyChunk), (chunks) => {
      const seen: string[] = []
      const push = lines(kept(seen), noneSkipped)
      for (const chunk of chunks) push(Buffer.from(chunk))
      const whole = chunks.join('').split('\n').slice(0, -1)
      assert.deepEqual(seen, whole.filter(Boolean))
    }),
  )
})

test('a line without an end comes in pieces, and keeps nothing', () => {
  const seen: Buffer[] = []
  const push = lines((line) => seen.push(line), noneSkipped)
  for (let count = 0; count < 10; count += 1) push(Buffer.alloc(40_000, 'x'))
  assert.ok(seen.length >= 4)
  assert.ok(seen.every((line) => line.length <= 65_536 + 40_000))
  push(Buffer.from('end\n'))
  assert.equal(Buffer.concat(seen).length, 10 * 40_000 + 3)
})

test('once a line is refused the others of its chunk are counted, and a line may go on in the next', () => {
  const seen: string[] = []
  const skipped: number[] = []
  const push = lines(
    (line) => seen.push(line.toString()) !== 2,
    (count) => skipped.push(count),
  )
  push(Buffer.from('1\n2\n3\n4\n5\n6'))
  push(Buffer.from('7\n8\n'))
  assert.deepEqual([seen, skipped], [['1', '2', '67', '8'], [3]])
})
