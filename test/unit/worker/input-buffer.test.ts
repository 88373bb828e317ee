import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { InputBuffer } from '../../../src/worker/input-buffer.ts'
import { chunked, cuts } from '../support/chunked.ts'

const bytes = (text: string) => Buffer.from(text, 'latin1')
const latin1 = (buffer: Buffer) => buffer.toString('latin1')

function filled(...chunks: string[]): InputBuffer {
  const input = new InputBuffer()
  for (const chunk of chunks) input.push(bytes(chunk))
  return input
}

test('a fresh buffer has nothing', () => {
  const input = new InputBuffer()
  assert.equal(input.length, 0)
  assert.equal(input.indexOf(bytes('a')), -1)
  assert.equal(input.take(0).length, 0)
  assert.equal(input.takeSome().length, 0)
})

test('what is wanted may begin in one chunk and end in another', () => {
  const input = filled('ab', 'c', 'd', 'efab')
  assert.equal(input.indexOf(bytes('bcde')), 1)
  assert.equal(input.indexOf(bytes('ab')), 0)
  assert.equal(input.indexOf(bytes('ab'), 1), 6)
  assert.equal(input.indexOf(bytes('ab'), 1, 7), -1)
  assert.equal(latin1(input.take(8)), 'abcdefab')
})

test('a long chunk is not copied, whatever was there before', () => {
  const first = Buffer.alloc(1_000, 'a')
  const second = Buffer.alloc(1_000, 'b')
  const input = new InputBuffer()
  input.push(first)
  input.push(second)
  assert.equal(input.take(10).buffer, first.buffer)
  assert.equal(input.take(990).buffer, first.buffer)
  assert.equal(input.takeSome().buffer, second.buffer)
  assert.equal(input.length, 0)
})

test('a long chunk behind the rest of a line is joined only as far as the line goes', () => {
  const input = filled('x'.repeat(10))
  const long = Buffer.from(`${'y'.repeat(100)}\r\n${'z'.repeat(60_000)}`)
  input.push(long)
  assert.equal(input.indexOf(bytes('\r\n')), 110)
  input.take(112)
  input.take(1_000)
  assert.equal(input.takeSome().buffer, long.buffer)
})

test('small chunks take little more memory than their bytes', () => {
  const input = new InputBuffer()
  const chunk = Buffer.from('x')
  const before = process.memoryUsage()
  for (let count = 0; count < 1_048_576; count += 1) input.push(chunk)
  const after = process.memoryUsage()
  const grown = after.arrayBuffers - before.arrayBuffers + after.heapUsed - before.heapUsed
  assert.ok(grown < 16 * 1_048_576, `1 MiB took ${grown} bytes`)
  assert.equal(input.length, 1_048_576)
})

/**
 * Counts the bytes that are copied while `act` runs: a count, unlike a time, is the same on a busy machine.
 */
function copiedDuring(act: () => void): number {
  const { copy } = Buffer.prototype
  let copied = 0
  Buffer.prototype.copy = function count(this: Buffer, ...args: Parameters<Buffer['copy']>) {
    const moved = copy.apply(this, args)
    copied += moved
    return moved
  }
  try {
    act()
  } finally {
    Buffer.prototype.copy = copy
  }
  return copied
}

const length = 10 * 1_048_576

test('10 MB in pieces of 1 KB are copied once for a read of their length', () => {
  const whole = Buffer.alloc(length, 'x')
  const input = new InputBuffer()
  const copied = copiedDuring(() => {
    for (let at = 0; at < length; at += 1_024) input.push(whole.subarray(at, at + 1_024))
    assert.ok(input.take(length).equals(whole))
  })
  assert.ok(copied <= length, `${copied} bytes were copied`)
})

test('10 MB in pieces of 1 KB or 100 bytes are copied a few times for a line, searched with each', () => {
  for (const size of [1_024, 100]) {
    const whole = Buffer.alloc(length, 'x')
    whole.write('\r\n', length - 2)
    const input = new InputBuffer()
    let searched = 0
    const copied = copiedDuring(() => {
      for (let at = 0; at < length; at += size) {
        assert.ok(at === 0 || input.indexOf(bytes('\r\n'), searched) === -1)
        searched = Math.max(0, input.length - 1)
        input.push(whole.subarray(at, at + size))
      }
      assert.equal(input.indexOf(bytes('\r\n'), searched), length - 2)
      assert.ok(input.take(length).equals(whole))
    })
    assert.ok(copied <= 4 * length, `${copied} bytes were copied`)
  }
})

test('a look further ahead, byte by byte, costs a few times its length', () => {
  const input = new InputBuffer()
  const copied = copiedDuring(() => {
    for (let count = 1; count <= 65_536; count += 1) {
      input.push(bytes('x'))
      assert.equal(input.peek(count).length, count)
    }
  })
  assert.ok(copied <= 4 * 65_536, `${copied} bytes were copied`)
})

/** A step of somebody who uses the buffer. */
const anyStep = fc.oneof(
  fc.record({ do: fc.constant('take' as const), bytes: fc.nat(1_500) }),
  fc.record({ do: fc.constant('peek' as const), bytes: fc.nat(1_500) }),
  fc.record({
    do: fc.constant('find' as const),
    wanted: fc.constantFrom('\r\n', '\n', 'aab', 'x'.repeat(20)),
    from: fc.nat(1_000),
    to: fc.nat(3_000),
  }),
  fc.constant({ do: 'some' as const }),
  fc.constant({ do: 'push' as const }),
)

const anyText = fc
  .array(fc.constantFrom('\r\n', '\r', '\n', 'a', 'aa', 'b', '\xff', 'x'.repeat(300)), {
    maxLength: 40,
  })
  .map((parts) => parts.join(''))

test('whatever is done to it, it is one text; nothing that it was given or gave ever changes', () => {
  fc.assert(
    fc.property(anyText, cuts, fc.array(anyStep, { maxLength: 60 }), (text, cut, steps) => {
      const input = new InputBuffer()
      const chunks = chunked(bytes(text), cut)
      let model = ''
      const kept: { readonly buffer: Buffer; readonly text: string }[] = []
      const keep = (buffer: Buffer, expected: string) => kept.push({ buffer, text: expected })
      for (const step of steps) {
        if (step.do === 'push') {
          const chunk = chunks.shift() ?? Buffer.alloc(0)
          keep(chunk, latin1(chunk))
          model += latin1(chunk)
          input.push(chunk)
        } else if (step.do === 'find') {
          const to = Math.min(step.to, model.length)
          const from = Math.min(step.from, to)
          const expected = model.slice(0, to).indexOf(step.wanted, from)
          assert.equal(input.indexOf(bytes(step.wanted), from, to), expected)
        } else if (step.do === 'some') {
          const some = input.takeSome()
          assert.equal(some.length > 0, model.length > 0)
          keep(some, model.slice(0, some.length))
          model = model.slice(some.length)
        } else {
          const count = Math.min(step.bytes, model.length)
          keep(input[step.do](count), model.slice(0, count))
          if (step.do === 'take') model = model.slice(count)
        }
        assert.equal(input.length, model.length)
        for (const { buffer, text: expected } of kept) assert.equal(latin1(buffer), expected)
      }
      assert.equal(latin1(input.take(input.length)), model)
    }),
    { numRuns: 500 },
  )
})
