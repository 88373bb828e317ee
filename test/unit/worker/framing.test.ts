import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { lineEndings } from '../../../src/config/line-endings.ts'
import { codeOf } from '../../../src/errors.ts'
import type { Connection } from '../../../src/worker/connection.ts'
import { type FrameFormat, Frames } from '../../../src/worker/frames.ts'
import { InputBuffer } from '../../../src/worker/input-buffer.ts'
import type { Read } from '../../../src/worker/reads.ts'
import { chooseSeed, fuzzInputs, randomFrom } from '../../helpers/random.ts'
import { chunked, cuts } from '../support/chunked.ts'
import { inMemory } from '../support/memory-transport.ts'

/** What a read comes to: bytes as latin1, `null` for the end, or an error's code behind a mark that is no latin1. */
type Result = string | null

async function resultOf(read: Promise<Buffer | null>): Promise<Result> {
  try {
    return (await read)?.toString('latin1') ?? null
  } catch (error) {
    return `✗${codeOf(error) ?? String(error)}`
  }
}

/** Lets a handler run while chunks arrive, each either once the handler waits for it or before. */
async function served<T>(
  bytes: Uint8Array,
  lengths: readonly number[],
  isEager: boolean,
  handle: (connection: Connection) => Promise<T>,
  limits: Parameters<typeof inMemory>[0] = {},
): Promise<T> {
  const { connection, transport } = inMemory(limits)
  const result = handle(connection)
  for (const chunk of chunked(bytes, lengths)) {
    if (isEager) await new Promise((resolve) => process.nextTick(resolve))
    transport.deliver(chunk)
  }
  transport.endInput()
  return result
}

/** Reads until the end or an error, which is the last result. */
async function untilEnd(read: () => Promise<Buffer | null>): Promise<Result[]> {
  const results: Result[] = []
  for (;;) {
    const result = await resultOf(read())
    results.push(result)
    if (result === null || result.startsWith('✗')) return results
  }
}

const anyText = fc
  .array(fc.constantFrom('\r\n', '\r', '\n', 'a', 'bc', '\xff', '\0', 'x'.repeat(300)), {
    maxLength: 40,
  })
  .map((parts) => parts.join(''))

/** A line of a whole text, by each ending; the last one may have no end. */
const linePatterns = {
  crlf: /[^]*?\r\n|[^]+$/g,
  lf: /[^\n]*\n|[^\n]+/g,
  any: /[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+/g,
} as const

for (const lineEnding of lineEndings) {
  test(`lines that end with ${lineEnding} are the same however the bytes are cut`, async () => {
    const anyInput = fc.asyncProperty(
      anyText,
      cuts,
      fc.boolean(),
      async (text, lengths, isEager) => {
        const limits = { lineEnding, maxLineBytes: 16_777_216 }
        const lines = (connection: Connection) => untilEnd(() => connection.readLine())
        const found = await served(Buffer.from(text, 'latin1'), lengths, isEager, lines, limits)
        assert.deepEqual(found, [...(text.match(linePatterns[lineEnding]) ?? []), null])
      },
    )
    await fc.assert(anyInput, { numRuns: 300 })
  })
}

/** A read, and what it comes to on the rest of a whole input: its result, and how much it takes. */
interface Step {
  readonly read: (connection: Connection) => Promise<Buffer | null>
  readonly expected: (rest: string) => { readonly result: Result; readonly takes: number }
}

const taken = (result: string, takes = result.length) => ({ result, takes })

/** What a read that needs all of `text` comes to when it has only a part of it. */
const cutShort = (rest: string) => ({ result: rest === '' ? null : '✗ENDED_EARLY', takes: 0 })

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  fc.nat(700).map((count) => ({
    read: (connection: Connection) => connection.readExactly(count),
    expected: (rest: string) =>
      rest.length < count ? cutShort(rest) : taken(rest.slice(0, count)),
  })),
  fc.integer({ min: 1, max: 700 }).map((count) => ({
    read: (connection: Connection) => connection.peek(count),
    expected: (rest: string) => (rest === '' ? cutShort(rest) : taken(rest.slice(0, count), 0)),
  })),
  fc.constantFrom('\n', 'bc', '\r\na', 'x'.repeat(299)).map((delimiter) => ({
    read: (connection: Connection) => connection.readUntil(delimiter, { maxBytes: 100_000 }),
    expected: (rest: string) => {
      const at = rest.indexOf(delimiter)
      return at < 0 ? cutShort(rest) : taken(rest.slice(0, at + delimiter.length))
    },
  })),
  fc.constant({
    read: (connection: Connection) => connection.readLine(),
    expected: (rest: string) => {
      const found = rest.match(linePatterns.crlf)?.[0]
      return found === undefined ? cutShort(rest) : taken(found)
    },
  }),
  fc.constant({
    read: (connection: Connection) => connection.frames({ lengthBytes: 1 }).read(),
    expected: (rest: string) => {
      const end = 1 + rest.charCodeAt(0)
      return rest.length >= end ? taken(rest.slice(1, end), end) : cutShort(rest)
    },
  }),
)

test('reads of every kind in any order give the same however the bytes are cut, and leave the same rest', async () => {
  const anySteps = fc.array(anyStep, { maxLength: 20 })
  const anyRun = fc.asyncProperty(
    anyText,
    cuts,
    fc.boolean(),
    anySteps,
    async (text, lengths, isEager, steps) => {
      let rest = text
      const expected = steps.map((step) => {
        const { result, takes } = step.expected(rest)
        rest = rest.slice(takes)
        return result
      })
      const handle = async (connection: Connection) => {
        const results: Result[] = []
        for (const step of steps) results.push(await resultOf(step.read(connection)))
        const left = await untilEnd(() => connection.read())
        return { results, left: left.join('') }
      }
      const limits = { maxLineBytes: 100_000 }
      const found = await served(Buffer.from(text, 'latin1'), lengths, isEager, handle, limits)
      assert.deepEqual(found, { results: expected, left: rest })
    },
  )
  await fc.assert(anyRun, { numRuns: 1_000 })
})

const anyFormat = fc.record({
  lengthBytes: fc.constantFrom(1 as const, 2 as const, 4 as const),
  endian: fc.constantFrom('big' as const, 'little' as const),
})

test('frames that one side writes are those that the other reads', async () => {
  const anyPayloads = fc.array(fc.uint8Array({ maxLength: 255 }), { maxLength: 8 })
  const anyRun = fc.asyncProperty(
    anyFormat,
    anyPayloads,
    cuts,
    async (format, payloads, lengths) => {
      const { connection, transport } = inMemory()
      for (const payload of payloads) await connection.frames(format).write(payload)
      const wire = Buffer.concat(transport.sent.flat() as Uint8Array[])
      const all = (other: Connection) => untilEnd(() => other.frames(format).read())
      const expected = payloads.map((payload) => Buffer.from(payload).toString('latin1'))
      assert.deepEqual(await served(wire, lengths, true, all), [...expected, null])
    },
  )
  await fc.assert(anyRun, { numRuns: 300 })
})

/** Frames as anyone would read them from a whole input. */
function framesIn(bytes: Buffer, { lengthBytes, endian, maxBytes = 0 }: FrameFormat): Result[] {
  const results: Result[] = []
  for (let at = 0; ; ) {
    if (at === bytes.length) return [...results, null]
    if (at + lengthBytes > bytes.length) return [...results, '✗ENDED_EARLY']
    const digits = [...bytes.subarray(at, at + lengthBytes)]
    if (endian === 'little') digits.reverse()
    const length = digits.reduce((value, digit) => value * 256 + digit, 0)
    if (length > maxBytes) return [...results, '✗LINE_TOO_LONG']
    if (at + lengthBytes + length > bytes.length) return [...results, '✗ENDED_EARLY']
    at += lengthBytes + length
    results.push(bytes.toString('latin1', at - length, at))
  }
}

/** The same by the real parser and buffer, without a connection's promises. */
function framesRead(chunks: Buffer[], format: Required<FrameFormat>): Result[] {
  const results: Result[] = []
  const bound = { longestBytes: format.maxBytes, limitBytes: format.maxBytes }
  const reads: Read[] = []
  const keep = async (read: Read) => {
    reads.push(read)
    return null
  }
  const frames = new Frames(format, bound, keep, async () => {})
  const input = new InputBuffer()
  for (;;) {
    void frames.read()
    const read = reads.pop()
    try {
      let length = read?.lengthIn(input)
      while (length === undefined && chunks.length > 0) {
        input.push(chunks.shift() as Buffer)
        length = read?.lengthIn(input)
      }
      if (length === undefined) return [...results, input.length === 0 ? null : '✗ENDED_EARLY']
      results.push(read?.from(input, length).toString('latin1') ?? null)
    } catch (error) {
      return [...results, `✗${codeOf(error)}`]
    }
  }
}

test('inputs of frames and garbage: no crash, no hang, and the frames that are there', () => {
  const inputs = fuzzInputs(20_000)
  const seed = chooseSeed()
  const random = randomFrom(seed)
  const upTo = (most: number) => Math.floor(random() * (most + 1))
  const oneOf = <T>(values: readonly T[]) => values[upTo(values.length - 1)] as T
  const endings = new Map<string, number>()
  for (let count = 0; count < inputs; count += 1) {
    const format = {
      lengthBytes: oneOf([1, 2, 4] as const),
      endian: oneOf(['big', 'little'] as const),
      maxBytes: oneOf([1, 20, 255, 70_000]),
    }
    const bytes = Buffer.alloc(upTo(30))
    for (let at = 0; at < bytes.length; at += 1) bytes[at] = oneOf([0, 0, 1, 2, upTo(9), upTo(255)])
    const found = framesRead(chunked(bytes, [1 + upTo(9), 1 + upTo(29)]), format)
    const expected = framesIn(bytes, format)
    if (found.join() !== expected.join())
      assert.deepEqual(found, expected, `seed ${seed}, input ${count}: ${bytes.toString('hex')}`)
    const ending = String(found.at(-1))
    endings.set(ending, (endings.get(ending) ?? 0) + 1)
  }
  // Every way to end is among them, and not by chance only.
  assert.deepEqual([...endings.keys()].toSorted(), ['null', '✗ENDED_EARLY', '✗LINE_TOO_LONG'])
  for (const [ending, times] of endings) assert.ok(times > inputs / 100, `${ending}: ${times}`)
})
