import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { type ChannelLimits, clientLimits, LineChannel } from '../../../src/control/line-channel.ts'
import { waitFor } from '../../helpers/wait-for.ts'
import { received, socketPair } from '../support/socket-pair.ts'

/** A channel on one end of a real connection; the test writes raw bytes at the other. */
async function opened(t: TestContext, limits: Partial<ChannelLimits> = {}) {
  const { server, client } = await socketPair(t)
  const messages: unknown[] = []
  let closed = 0
  const channel = new LineChannel(
    server,
    { ...clientLimits, ...limits },
    async (message) => {
      if (message === 'refuse me') throw new Error('not of this protocol')
      messages.push(message)
    },
    () => {
      closed += 1
    },
  )
  return { channel, server, client, messages, closed: () => closed }
}

test('each line is a message, however the bytes are cut', async (t) => {
  const anyMessages = fc.array(fc.jsonValue(), { minLength: 1, maxLength: 5 })
  const anySizes = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 })
  await fc.assert(
    fc.asyncProperty(anyMessages, anySizes, async (sent, sizes) => {
      const { client, messages } = await opened(t)
      const expected = sent.map((message) => JSON.stringify(message))
      const bytes = Buffer.from(`${expected.join('\n')}\n`)
      for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
        const size = sizes[turn % sizes.length] ?? 1
        client.write(bytes.subarray(at, at + size))
        at += size
      }
      await waitFor('every message', () => messages.length === sent.length)
      assert.deepEqual(
        messages.map((message) => JSON.stringify(message)),
        expected,
      )
      client.destroy()
    }),
    { numRuns: 20 },
  )
})

test('characters of several bytes survive a cut in their middle', async (t) => {
  const { client, messages } = await opened(t)
  const bytes = Buffer.from('"ü€😀"\n')
  for (const byte of bytes) client.write(Uint8Array.of(byte))
  await waitFor('the message', () => messages.length === 1)
  assert.deepEqual(messages, ['ü€😀'])
})

test('each message arrives as one line', async (t) => {
  const { channel, client } = await opened(t)
  channel.send({ text: 'two\nlines' })
  channel.send([1])
  channel.end()
  assert.equal((await received(client)).toString(), '{"text":"two\\nlines"}\n[1]\n')
})

test('a peer that sends anything but JSON is hung up on, and what follows is not heard', async (t) => {
  const { client, messages, closed } = await opened(t)
  client.write('1\nGET / HTTP/1.1\n2\n')
  await waitFor('the channel to close', () => closed() === 1)
  assert.deepEqual(messages, [1])
})

test('a peer that sends JSON which is no message of the protocol is hung up on', async (t) => {
  const { client, closed } = await opened(t)
  client.write('"refuse me"\n')
  await waitFor('the channel to close', () => closed() === 1)
})

test('a message without an end is cut off before it fills the memory', async (t) => {
  const { client, messages, closed, server } = await opened(t)
  const piece = Buffer.alloc(1_048_576, 'x')
  for (let count = 0; count < 8; count += 1) client.write(piece)
  await waitFor('the channel to close', () => closed() === 1)
  assert.ok(server.bytesRead < 8 * piece.length)
  assert.deepEqual(messages, [])
})

test('a long message that ends in time is heard', async (t) => {
  const { client, messages } = await opened(t)
  const long = 'x'.repeat(1_000_000)
  client.write(`${JSON.stringify(long)}\n`)
  await waitFor('the message', () => messages.length === 1)
  assert.deepEqual(messages, [long])
})

test('the end of the peer is told once, also after a reset, and sending then is no error', async (t) => {
  const { channel, client, server, closed } = await opened(t)
  client.resetAndDestroy()
  await waitFor('the channel to close', () => server.closed)
  channel.send(1)
  channel.destroy()
  assert.equal(closed(), 1)
})
