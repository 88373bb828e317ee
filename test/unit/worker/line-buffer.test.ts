import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LineBuffer } from '../../../src/worker/line-buffer.ts'

/** The buffer as anyone would write it: one text, searched from its start each time. */
class Model {
  text = ''

  takeLine(): string | undefined {
    const at = this.text.indexOf('\r\n')
    if (at < 0) return undefined
    const line = this.text.slice(0, at + 2)
    this.text = this.text.slice(at + 2)
    return line
  }
}

const latin1 = (bytes: Buffer | undefined) => bytes?.toString('latin1')

function filled(...chunks: string[]): LineBuffer {
  const buffer = new LineBuffer()
  for (const chunk of chunks) buffer.push(Buffer.from(chunk, 'latin1'))
  return buffer
}

/** Text in which ends of lines, whole and half, are frequent. */
const anyText = fc
  .array(fc.constantFrom('\r\n', '\r', '\n', 'a', 'bc', '\xff', '\0', 'x'.repeat(300)), {
    maxLength: 40,
  })
  .map((parts) => parts.join(''))

test('a line has its CRLF; LF alone and CR alone end nothing', () => {
  const buffer = filled('a\nb\rc\r\nd')
  assert.equal(latin1(buffer.takeLine()), 'a\nb\rc\r\n')
  assert.equal(buffer.takeLine(), undefined)
  assert.equal(latin1(buffer.takeAll()), 'd')
  assert.equal(buffer.length, 0)
})

test('a CR at the end of a chunk and its LF at the start of the next one end a line', () => {
  const buffer = filled('a\r')
  assert.equal(buffer.takeLine(), undefined)
  buffer.push(Buffer.from('\nb\r\n'))
  assert.equal(latin1(buffer.takeLine()), 'a\r\n')
  assert.equal(latin1(buffer.takeLine()), 'b\r\n')
})

test('a CR that was no end of a line is none later', () => {
  const buffer = filled('a\r')
  assert.equal(buffer.takeLine(), undefined)
  buffer.push(Buffer.from('b'))
  assert.equal(buffer.takeLine(), undefined)
  buffer.push(Buffer.from('\n\r\n'))
  assert.equal(latin1(buffer.takeLine()), 'a\rb\n\r\n')
})

test('a fresh buffer has nothing to take', () => {
  const buffer = new LineBuffer()
  assert.equal(buffer.length, 0)
  assert.equal(buffer.takeLine(), undefined)
  assert.equal(buffer.takeAll().length, 0)
})

test('empty lines and empty chunks are what they are', () => {
  const buffer = filled('', '\r\n', '', '\r\n')
  assert.equal(latin1(buffer.takeLine()), '\r\n')
  assert.equal(latin1(buffer.takeLine()), '\r\n')
  assert.equal(buffer.takeLine(), undefined)
})

test('a line of a megabyte in single bytes comes out whole', () => {
  const buffer = new LineBuffer()
  const line = Buffer.alloc(1_048_576, 'x')
  line.write('\r\n', line.length - 2)
  for (let at = 0; at < line.length; at += 1) {
    if (at % 4_096 === 0) assert.equal(buffer.takeLine(), undefined)
    buffer.push(line.subarray(at, at + 1))
  }
  assert.ok(buffer.takeLine()?.equals(line))
})

test('however the bytes are cut, the lines are those of the model', () => {
  const anyCuts = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(anyText, anyCuts, fc.boolean(), (text, cuts, isEager) => {
      const buffer = new LineBuffer()
      const model = new Model()
      for (let at = 0, cut = 0; at < text.length; cut += 1) {
        const chunk = text.slice(at, at + (cuts[cut % cuts.length] ?? 1))
        at += chunk.length
        buffer.push(Buffer.from(chunk, 'latin1'))
        model.text += chunk
        if (isEager) assert.equal(latin1(buffer.takeLine()), model.takeLine())
        assert.equal(buffer.length, model.text.length)
      }
      for (let line = model.takeLine(); line !== undefined; line = model.takeLine()) {
        assert.equal(latin1(buffer.takeLine()), line)
      }
      assert.equal(buffer.takeLine(), undefined)
      assert.equal(latin1(buffer.takeAll()), model.text)
    }),
  )
})

test('bytes that were taken never change, and chunks that were pushed are never written to', () => {
  const anyStep = fc.oneof(
    anyText.map((text) => ({ push: text })),
    fc.constantFrom('line' as const, 'all' as const),
  )
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 60 }), (steps) => {
      const buffer = new LineBuffer()
      const kept: { readonly bytes: Buffer; readonly text: string | undefined }[] = []
      const keep = (bytes: Buffer | undefined) => {
        if (bytes !== undefined) kept.push({ bytes, text: latin1(bytes) })
      }
      for (const step of steps) {
        if (step === 'line') keep(buffer.takeLine())
        else if (step === 'all') keep(buffer.takeAll())
        else {
          const chunk = Buffer.from(step.push, 'latin1')
          keep(chunk)
          buffer.push(chunk)
        }
        for (const { bytes, text } of kept) assert.equal(latin1(bytes), text)
      }
    }),
  )
})
