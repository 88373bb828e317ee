import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { LineTooLongError } from '../../../src/errors.ts'
import type { Connection } from '../../../src/worker/connection.ts'
import { waitFor } from '../../helpers/wait-for.ts'
import { Clock } from '../support/clock.ts'
import { connected } from '../support/connected.ts'
import { overEach } from '../support/over-each.ts'
import { received } from '../support/socket-pair.ts'

/** Reads of every kind that need more than "ab". */
const reads: readonly [name: string, read: (connection: Connection) => Promise<Buffer | null>][] = [
  ['readExactly', (connection) => connection.readExactly(3)],
  ['readUntil', (connection) => connection.readUntil('\x1c\r')],
  ['readLine', (connection) => connection.readLine()],
  ['peek', (connection) => connection.peek(3)],
  ['frames.read', (connection) => connection.frames({ lengthBytes: 1 }).read()],
]

for (const [name, read] of reads) {
  test(`${name} fails when the client says no more, and takes nothing`, async (t) => {
    const clock = new Clock(t)
    const { connection, client } = await connected(t, { readTimeoutMs: 500 })
    client.write('ab')
    await connection.peek(2)
    const result = assert.rejects(read(connection), { code: 'READ_TIMEOUT' })
    clock.advance(500)
    await result
    assert.deepEqual(await connection.read(), Buffer.from('ab'))
  })

  test(`${name} fails at the deadline, however often the client sends something`, async (t) => {
    const clock = new Clock(t)
    const { connection } = await connected(t, { deadlineMs: 500 })
    const result = assert.rejects(read(connection), { code: 'DEADLINE' })
    clock.advance(500)
    await result
  })

  test(`${name} fails when the client resets`, async (t) => {
    const { connection, client } = await connected(t)
    client.write('ab')
    await connection.peek(2)
    const result = assert.rejects(read(connection), { code: 'CLIENT_GONE' })
    client.resetAndDestroy()
    await result
  })

  test(`${name} is null when the client ends its side before it`, async (t) => {
    const { connection, client } = await connected(t)
    client.end()
    assert.equal(await read(connection), null)
    assert.equal(await read(connection), null)
  })
}

for (const [name, read] of reads.filter(([kind]) => kind !== 'readLine' && kind !== 'peek')) {
  test(`${name} fails when the client ends its side in the middle of it, and takes nothing`, async (t) => {
    const { connection, client } = await connected(t)
    client.end('ab')
    await assert.rejects(read(connection), {
      code: 'ENDED_EARLY',
      message: 'The client ended its side in the middle of a read, after 2 bytes',
    })
    assert.deepEqual(await connection.read(), Buffer.from('ab'))
  })
}

overEach(
  'peek gives what there is when the client ends its side, and the next read gives it again',
  async (t) => {
    const { connection, client } = await connected(t)
    client.end('ab')
    assert.deepEqual(await connection.peek(3), Buffer.from('ab'))
    assert.deepEqual(await connection.peek(1), Buffer.from('a'))
    assert.deepEqual(await connection.readExactly(2), Buffer.from('ab'))
    assert.equal(await connection.peek(1), null)
  },
)

overEach('the server may speak first', async (t) => {
  const { connection, client } = await connected(t)
  await connection.write('220 ready\r\n')
  client.once('data', () => client.end('HELO\r\n'))
  assert.deepEqual(await connection.readLine(), Buffer.from('HELO\r\n'))
})

overEach('a delimiter may be bytes, and is part of the result', async (t) => {
  const { connection, client } = await connected(t)
  client.end(Buffer.from([1, 2, 0xff, 0xfe, 3]))
  const found = await connection.readUntil(Uint8Array.of(0xff, 0xfe))
  assert.deepEqual(found, Buffer.from([1, 2, 0xff, 0xfe]))
  assert.deepEqual(await connection.read(), Buffer.from([3]))
})

overEach('a delimiter that comes too late is refused, and what came instead stays', async (t) => {
  const { connection, client } = await connected(t, { maxLineBytes: 4 })
  client.end('aaaa;bbbbbb;')
  assert.deepEqual(await connection.readUntil(';', { maxBytes: 5 }), Buffer.from('aaaa;'))
  for (const maxBytes of [5, undefined]) {
    const options = maxBytes === undefined ? {} : { maxBytes }
    await assert.rejects(connection.readUntil(';', options), (error) => {
      assert.ok(error instanceof LineTooLongError)
      assert.equal(error.limitBytes, maxBytes ?? 4)
      assert.equal(error.message, `The delimiter did not come within ${maxBytes ?? 4} bytes`)
      return true
    })
  }
  assert.deepEqual(await connection.readUntil(';', { maxBytes: 7 }), Buffer.from('bbbbbb;'))
})

overEach('a frame that is too long is refused by its length alone, and stays', async (t) => {
  const { connection, client } = await connected(t)
  client.write(Buffer.from([0, 4, 0, 0, 1, 2, 3, 4]))
  const frames = connection.frames({ lengthBytes: 2, maxBytes: 4 })
  assert.deepEqual(await frames.read(), Buffer.from([0, 0, 1, 2]))
  await assert.rejects(frames.read(), {
    name: 'LineTooLongError',
    code: 'LINE_TOO_LONG',
    limitBytes: 4,
    message: 'A frame of 772 bytes exceeds the limit of 4 bytes',
  })
  assert.deepEqual(await connection.read(), Buffer.from([3, 4]))
})

overEach('without a limit of their own, frames have that of lines', async (t) => {
  const { connection, client } = await connected(t, { maxLineBytes: 4 })
  client.end(Buffer.from([3, 1, 2, 3, 4, 1, 2, 3, 4]))
  const frames = connection.frames({ lengthBytes: 1 })
  assert.deepEqual(await frames.read(), Buffer.from([1, 2, 3]))
  await assert.rejects(frames.read(), { code: 'LINE_TOO_LONG', limitBytes: 4 })
})

overEach('frames can be iterated over, empty ones too', async (t) => {
  const { connection, client } = await connected(t)
  client.end(Buffer.from([1, 0, 7, 0, 0, 2, 0, 8, 9]))
  const frames: number[][] = []
  for await (const frame of connection.frames({ lengthBytes: 2, endian: 'little' }))
    frames.push([...frame])
  assert.deepEqual(frames, [[7], [], [8, 9]])
})

overEach('a frame is sent with its length in front, its text as UTF-8', async (t) => {
  const { connection, client, conclude } = await connected(t)
  await connection.frames({ lengthBytes: 4 }).write(['ü', Uint8Array.of(0)])
  await connection.frames({ lengthBytes: 1 }).write('')
  conclude()
  assert.deepEqual(await received(client), Buffer.from([0, 0, 0, 3, 0xc3, 0xbc, 0, 0]))
})

overEach(
  'a frame that is longer than its limit, or than its length can say, is not sent',
  async (t) => {
    const { connection, client, conclude } = await connected(t)
    const refusal = (bytes: number, most: number) => ({
      name: 'RangeError',
      message: `The frame has ${bytes} bytes; at most ${most} are allowed`,
    })
    const short = connection.frames({ lengthBytes: 2, maxBytes: 3 })
    await assert.rejects(short.write('four'), refusal(4, 3))
    const narrow = connection.frames({ lengthBytes: 1, maxBytes: 1_000 })
    await assert.rejects(narrow.write(['a'.repeat(200), 'b'.repeat(56)]), refusal(256, 255))
    // A mistake that nobody awaits must not end the worker.
    void short.write('four')
    await new Promise((resolve) => setImmediate(resolve))
    conclude()
    assert.equal((await received(client)).length, 0)
  },
)

overEach('a frame of 10 MB comes through, and leaves no more behind', async (t) => {
  const { connection, client } = await connected(t)
  const payload = randomBytes(10 * 1_048_576)
  const prefix = Buffer.alloc(4)
  prefix.writeUInt32BE(payload.length)
  client.write(prefix)
  client.end(payload)
  const frames = connection.frames({ lengthBytes: 4, maxBytes: payload.length })
  assert.ok((await frames.read())?.equals(payload))
  assert.equal(await frames.read(), null)
})

overEach('mistakes of the handler are told by name, and only to it', async (t) => {
  const { connection } = await connected(t)
  const mistakes: [call: () => Promise<unknown>, message: string][] = [
    [() => connection.readExactly(-1), 'bytes is -1; it must be an integer from 0 to 1073741824'],
    [() => connection.readExactly(1.5), 'bytes is 1.5; it must be an integer from 0 to 1073741824'],
    [() => connection.peek(0), 'bytes is 0; it must be an integer from 1 to 1073741824'],
    [
      () => connection.readExactly('5' as never),
      "bytes is '5'; it must be an integer from 0 to 1073741824",
    ],
    [
      () => connection.readExactly(Symbol('5') as never),
      'bytes is Symbol(5); it must be an integer from 0 to 1073741824',
    ],
    [() => connection.readUntil(''), 'The delimiter is empty'],
    [() => connection.readUntil(10 as never), 'delimiter is 10; it must be text or a Uint8Array'],
    [() => connection.readUntil('x', 9 as never), 'options is 9; it must be an object'],
    [
      async () => connection.frames(undefined as never),
      'format is undefined; it must be an object',
    ],
    [
      () => connection.readUntil('x', { maxBytes: 2 ** 31 }),
      'maxBytes is 2147483648; it must be an integer from 1 to 1073741824',
    ],
    [
      async () => connection.frames({ lengthBytes: 3 as never }),
      'lengthBytes is 3; it must be 1, 2 or 4',
    ],
    [
      async () => connection.frames({ lengthBytes: 2, endian: 'middle' as never }),
      `endian is 'middle'; it must be "big" or "little"`,
    ],
  ]
  for (const [call, message] of mistakes)
    await assert.rejects(call(), { name: 'RangeError', message })
})

test('several chunks go out by one call of the system, in their order', async (t) => {
  const { connection, client, server, conclude } = await connected(t)
  const writev = t.mock.method(server as Required<Socket>, '_writev')
  await connection.write(['a', Uint8Array.of(0xff), 'ü', Buffer.from('b')])
  assert.equal(writev.mock.callCount(), 1)
  await connection.write([])
  conclude()
  assert.deepEqual(await received(client), Buffer.from([0x61, 0xff, 0xc3, 0xbc, 0x62]))
})

overEach('when one of several chunks is neither text nor bytes, none is sent', async (t) => {
  const { connection, client, conclude } = await connected(t)
  const mixed: readonly unknown[] = ['a', 7, 'b']
  await assert.rejects(connection.write(mixed as string[]), TypeError)
  await connection.flush()
  conclude()
  assert.equal((await received(client)).length, 0)
})

test('a write that is awaited waits for the client, so that one chunk is in memory at most', async (t) => {
  const { connection, client, server, conclude } = await connected(t)
  client.pause()
  const chunk = randomBytes(65_536)
  let written = 0
  const writing = (async () => {
    for (; written < 320; written += 1) await connection.write(chunk)
  })()
  // The system takes no more: nothing has moved for a while of looks.
  let looks = 0
  let seen = 0
  await waitFor('the client to be waited for', () => {
    looks = written === seen ? looks + 1 : 0
    seen = written
    return looks === 10
  })
  assert.ok(written < 320)
  assert.ok(server.writableLength <= chunk.length, `${server.writableLength} bytes wait`)
  const all = received(client)
  await writing
  conclude()
  assert.equal((await all).length, 320 * chunk.length)
})

overEach('the local address is the one that the client has connected to', async (t) => {
  const { connection, client } = await connected(t)
  assert.deepEqual(connection.local, { address: '127.0.0.1', port: client.remotePort })
  const { local } = connection
  client.resetAndDestroy()
  await assert.rejects(connection.read(), { code: 'CLIENT_GONE' })
  assert.equal(connection.local, local)
})

for (const [lineEnding, lines] of [
  ['crlf', ['a\nb\rc\r\n', 'd']],
  ['lf', ['a\n', 'b\rc\r\n', 'd']],
  ['any', ['a\n', 'b\r', 'c\r\n', 'd']],
] as const) {
  test(`with lineEnding ${lineEnding} a text has these lines`, async (t) => {
    const { connection, client } = await connected(t, { lineEnding })
    client.end('a\nb\rc\r\nd')
    const found: string[] = []
    for await (const line of connection) found.push(line.toString())
    assert.deepEqual(found, lines)
  })
}

overEach('with lineEnding any, a CR ends a line as soon as something else follows', async (t) => {
  const { connection, client } = await connected(t, { lineEnding: 'any' })
  const line = connection.readLine()
  client.write('a\r')
  client.write('b')
  assert.deepEqual(await line, Buffer.from('a\r'))
})

test('noDelay takes effect with the second write, as the first one is sent at once', async (t) => {
  const { connection, server } = await connected(t)
  const setNoDelay = t.mock.method(server, 'setNoDelay')
  await connection.write('a')
  assert.equal(setNoDelay.mock.callCount(), 0)
  await connection.write('b')
  assert.deepEqual(setNoDelay.mock.calls[0]?.arguments, [true])
})

test('without noDelay, the system may wait', async (t) => {
  const { connection, server } = await connected(t, { noDelay: false })
  const setNoDelay = t.mock.method(server, 'setNoDelay')
  for (const text of ['a', 'b', 'c']) await connection.write(text)
  assert.equal(setNoDelay.mock.callCount(), 0)
})
