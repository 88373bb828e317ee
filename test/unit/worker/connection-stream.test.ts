import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { finished, pipeline } from 'node:stream/promises'
import { test } from 'node:test'
import { waitFor } from '../../helpers/wait-for.ts'
import { Clock } from '../support/clock.ts'
import { connected } from '../support/connected.ts'
import { overEach } from '../support/over-each.ts'
import { received } from '../support/socket-pair.ts'

overEach('a stream begins with what was read ahead', async (t) => {
  const { connection, client } = await connected(t)
  client.end('first\r\nrest')
  assert.deepEqual(await connection.readLine(), Buffer.from('first\r\n'))
  let text = ''
  for await (const chunk of connection.stream()) text += String(chunk)
  assert.equal(text, 'rest')
})

overEach('there is one stream, and from then on nothing else reads', async (t) => {
  const { connection, client } = await connected(t)
  const line = connection.readLine()
  assert.throws(() => connection.stream(), /Another read .* still waiting/)
  client.write('a\r\n')
  await line
  assert.equal(connection.stream(), connection.stream())
  await assert.rejects(connection.readLine(), /is read through its stream/)
  await assert.rejects(connection.peek(1), /is read through its stream/)
})

overEach('a pipeline runs both ways, however much there is', async (t) => {
  const { connection, client, conclude } = await connected(t)
  const sent = randomBytes(8 * 1_048_576)
  const all = received(client)
  client.end(sent)
  const stream = connection.stream()
  await pipeline(stream, new PassThrough(), stream)
  await connection.flush()
  conclude()
  assert.ok((await all).equals(sent))
})

overEach('the end of the stream ends this side only', async (t) => {
  const { connection, client } = await connected(t)
  const stream = connection.stream()
  stream.end('bye')
  let answer = ''
  client.on('data', (chunk) => {
    answer += String(chunk)
  })
  await once(client, 'end')
  assert.equal(answer, 'bye')
  await assert.rejects(connection.write('more'), { code: 'CONNECTION_ENDED' })
  client.end('still here')
  let text = ''
  for await (const chunk of stream) text += String(chunk)
  assert.equal(text, 'still here')
})

overEach('what a client sends after the end of the stream resets nothing', async (t) => {
  const { connection, client, conclude } = await connected(t)
  connection.stream().end('bye')
  client.resume()
  await once(client, 'end')
  conclude()
  await new Promise((resolve) => client.write(Buffer.alloc(1_048_576), resolve))
  client.end()
  const [hadError] = (await once(client, 'close')) as [boolean]
  assert.equal(hadError, false)
})

overEach('the end of the client ends the readable side only', async (t) => {
  const { connection, client } = await connected(t)
  const stream = connection.stream()
  client.end()
  stream.resume()
  await once(stream, 'end')
  stream.write('an answer')
  stream.end(' all the same')
  assert.equal((await received(client)).toString(), 'an answer all the same')
})

test('a stream that nobody reads lets the client wait', async (t) => {
  const { connection, client, server } = await connected(t)
  client.write(randomBytes(4 * 1_048_576))
  connection.stream()
  await waitFor('the socket to be paused', () => server.isPaused())
  assert.ok(server.bytesRead < 1_048_576, `${server.bytesRead} bytes were taken in`)
})

overEach('a reset destroys the stream, and ends no worker when nobody listens', async (t) => {
  const { connection, client } = await connected(t)
  const stream = connection.stream()
  client.resetAndDestroy()
  await waitFor('the end of the stream', () => stream.closed)
  assert.equal((stream.errored as { code?: string } | null)?.code, 'CLIENT_GONE')
})

overEach('a pipeline under which the client resets fails with that', async (t) => {
  const { connection, client } = await connected(t)
  const stream = connection.stream()
  const piped = pipeline(stream, new PassThrough(), stream)
  client.resetAndDestroy()
  await assert.rejects(piped, { code: 'CLIENT_GONE' })
})

for (const code of ['DEADLINE', 'TERMINATED', 'LEASE_LOST'] as const) {
  test(`${code} destroys the stream`, async (t) => {
    const { connection, server } = await connected(t)
    const done = assert.rejects(finished(connection.stream()), { code })
    connection.end(code, 'It is over')
    await done
    assert.equal(server.destroyed, true)
    assert.equal(connection.stream().destroyed, true)
  })
}

overEach('a stream that is asked for after the end is destroyed already', async (t) => {
  const { connection } = await connected(t)
  connection.end('TERMINATED', 'The service was told to stop at once')
  await assert.rejects(finished(connection.stream()), { code: 'TERMINATED' })
})

overEach(
  'a client that sends nothing for too long fails the stream, and the connection with that',
  async (t) => {
    const clock = new Clock(t)
    const { connection } = await connected(t, { readTimeoutMs: 500 })
    const stream = connection.stream()
    stream.resume()
    const done = assert.rejects(finished(stream), { code: 'READ_TIMEOUT' })
    await new Promise((resolve) => setImmediate(resolve))
    clock.advance(499)
    assert.equal(stream.destroyed, false)
    clock.advance(1)
    await done
    await assert.rejects(connection.flush(), { code: 'READ_TIMEOUT' })
  },
)

overEach('a client that is being sent to need not send', async (t) => {
  const clock = new Clock(t)
  const { connection, client } = await connected(t, { readTimeoutMs: 500, deadlineMs: 60_000 })
  const stream = connection.stream()
  stream.resume()
  client.pause()
  const sent = new Promise((resolve) => stream.write(randomBytes(16 * 1_048_576), resolve))
  await new Promise((resolve) => setImmediate(resolve))
  for (let count = 0; count < 10; count += 1) clock.advance(500)
  assert.equal(stream.destroyed, false)
  client.resume()
  await sent
  clock.advance(499)
  assert.equal(stream.destroyed, false)
  clock.advance(1)
  await assert.rejects(finished(stream), { code: 'READ_TIMEOUT' })
})

overEach('flush waits for what the stream still has to send', async (t) => {
  const { connection, client, conclude } = await connected(t)
  const sent = randomBytes(8 * 1_048_576)
  const stream = connection.stream()
  for (let at = 0; at < sent.length; at += 65_536) stream.write(sent.subarray(at, at + 65_536))
  const all = received(client)
  await connection.flush()
  assert.equal(stream.writableLength, 0)
  conclude()
  assert.ok((await all).equals(sent))
})

test('a stream that is destroyed with an error closes the connection', async (t) => {
  const { connection, server } = await connected(t)
  const cause = new Error('upstream is gone')
  connection.stream().destroy(cause)
  await assert.rejects(connection.flush(), { code: 'CONNECTION_ENDED', cause })
  await waitFor('the socket to close', () => server.closed)
})

test('a stream that is destroyed before all was sent closes the connection: half an answer is none', async (t) => {
  const { connection, client, server } = await connected(t)
  client.pause()
  const stream = connection.stream()
  stream.write(randomBytes(16 * 1_048_576))
  stream.destroy()
  await assert.rejects(connection.flush(), { code: 'CONNECTION_ENDED' })
  await waitFor('the socket to close', () => server.closed)
})

overEach(
  'a handler that has read enough of the stream, or all of it, may still answer',
  async (t) => {
    for (const isWhole of [true, false]) {
      const { connection, client, conclude } = await connected(t)
      if (isWhole) client.end('question')
      else client.write('question')
      for await (const chunk of connection.stream()) {
        assert.equal(String(chunk), 'question')
        if (!isWhole) break
      }
      await connection.write('answer')
      await connection.flush()
      conclude()
      assert.equal((await received(client)).toString(), 'answer')
    }
  },
)

overEach(
  'a stream that is destroyed without an error, when all was sent, leaves the connection to its handler',
  async (t) => {
    const { connection, client, conclude } = await connected(t)
    const stream = connection.stream()
    await new Promise((resolve) => stream.write('one ', resolve))
    stream.destroy()
    await connection.write('two')
    await connection.flush()
    conclude()
    assert.equal((await received(client)).toString(), 'one two')
  },
)

overEach(
  'a stream that outlives its handler is told so, and the answer before it arrives',
  async (t) => {
    const { connection, client, conclude } = await connected(t)
    const stream = connection.stream()
    const done = assert.rejects(finished(stream), { code: 'CONNECTION_ENDED' })
    stream.write('answer')
    await connection.flush()
    connection.release()
    await done
    conclude()
    assert.equal((await received(client)).toString(), 'answer')
  },
)

test('libraries find what they ask of a socket', async (t) => {
  const { connection, client, server } = await connected(t)
  const stream = connection.stream()
  const setNoDelay = t.mock.method(server, 'setNoDelay')
  const setKeepAlive = t.mock.method(server, 'setKeepAlive')
  assert.deepEqual(
    [stream.remoteAddress, stream.remotePort, stream.remoteFamily],
    ['127.0.0.1', client.localPort, 'IPv4'],
  )
  assert.deepEqual([stream.localAddress, stream.localPort], ['127.0.0.1', client.remotePort])
  assert.equal(stream.setNoDelay().setKeepAlive(true, 5_000).ref().unref(), stream)
  assert.deepEqual(setNoDelay.mock.calls[0]?.arguments, [true])
  assert.deepEqual(setKeepAlive.mock.calls[0]?.arguments, [true, 5_000])
  stream.write('last words')
  stream.destroySoon()
  assert.equal((await received(client)).toString(), 'last words')
  assert.equal(stream.destroyed, true)
  await connection.flush()
})

overEach(
  'options of a socket are taken as a socket of Node takes them, whatever they are',
  async (t) => {
    const { connection, client } = await connected(t)
    const stream = connection.stream() as unknown as Record<
      string,
      (...given: unknown[]) => unknown
    >
    for (const isOn of [1, 0, null, 'yes', {}, undefined]) {
      stream['setNoDelay']?.(isOn)
      for (const afterMs of [Number.NaN, -1, '5000', 1e300, undefined])
        stream['setKeepAlive']?.(isOn, afterMs)
    }
    client.write('a')
    assert.equal(String((await once(connection.stream(), 'data'))[0]), 'a')
  },
)

overEach('a stream that was told to says when nothing has passed for so long', async (t) => {
  const clock = new Clock(t)
  const { connection, client } = await connected(t)
  const stream = connection.stream()
  let times = 0
  stream.setTimeout(100, () => {
    times += 1
  })
  clock.advance(99)
  client.write('a')
  await once(stream, 'data')
  clock.advance(99)
  assert.equal(times, 0)
  clock.advance(1)
  assert.equal(times, 1)
  stream.setTimeout(0)
  clock.advance(10_000)
  assert.equal(times, 1)
})
