import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { LineTooLongError } from '../../../src/errors.ts'
import { waitFor } from '../../helpers/wait-for.ts'
import { connected } from '../support/connected.ts'
import { overEach } from '../support/over-each.ts'

overEach(
  'lines come one by one with their CRLF, then the rest without one, then nothing',
  async (t) => {
    const { connection, client } = await connected(t)
    client.end('one\r\n\r\nthree')
    assert.deepEqual(await connection.readLine(), Buffer.from('one\r\n'))
    assert.deepEqual(await connection.readLine(), Buffer.from('\r\n'))
    assert.deepEqual(await connection.readLine(), Buffer.from('three'))
    assert.equal(await connection.readLine(), null)
    assert.equal(await connection.readLine(), null)
  },
)

overEach('a read waits for what is still to come', async (t) => {
  const { connection, client } = await connected(t)
  const line = connection.readLine()
  client.write('a')
  client.write('b\r')
  client.write('\n')
  assert.deepEqual(await line, Buffer.from('ab\r\n'))
})

overEach('bytes are bytes: no encoding changes them', async (t) => {
  const { connection, client } = await connected(t)
  const line = Buffer.concat([Buffer.from([0, 0xff, 0xc3, 0x28, 0x0d, 0x80]), Buffer.from('\r\n')])
  client.write(line)
  assert.deepEqual(await connection.readLine(), line)
})

overEach('read gives what has arrived, joined with what a line left over', async (t) => {
  const { connection, client } = await connected(t)
  client.end('line\r\nbody')
  await connection.readLine()
  let body = ''
  for (let part = await connection.read(); part !== null; part = await connection.read()) {
    assert.ok(part.length > 0)
    body += part.toString()
  }
  assert.equal(body, 'body')
  assert.equal(await connection.read(), null)
})

overEach('a connection can be iterated over, line by line', async (t) => {
  const { connection, client } = await connected(t)
  client.end('a\r\nb\r\nc')
  const lines: string[] = []
  for await (const line of connection) lines.push(line.toString())
  assert.deepEqual(lines, ['a\r\n', 'b\r\n', 'c'])
})

overEach('an iteration that is broken off leaves the rest to be read', async (t) => {
  const { connection, client } = await connected(t)
  client.end('a\r\nb\r\n')
  for await (const line of connection) {
    assert.deepEqual(line, Buffer.from('a\r\n'))
    break
  }
  assert.deepEqual(await connection.readLine(), Buffer.from('b\r\n'))
})

overEach('a line may have one byte less than the limit, its CRLF included', async (t) => {
  const { connection, client } = await connected(t, { maxLineBytes: 16 })
  client.write(`${'x'.repeat(13)}\r\n${'y'.repeat(14)}\r\n`)
  assert.equal((await connection.readLine())?.length, 15)
  await assert.rejects(
    connection.readLine(),
    (error) => error instanceof LineTooLongError && error.limitBytes === 16,
  )
})

overEach('so many bytes without an end are refused before it comes', async (t) => {
  const { connection, client } = await connected(t, { maxLineBytes: 16 })
  const line = connection.readLine()
  client.write('x'.repeat(15))
  client.write('x')
  await assert.rejects(line, { code: 'LINE_TOO_LONG' })
})

overEach('many short lines at once are not a long one', async (t) => {
  const { connection, client } = await connected(t, { maxLineBytes: 16 })
  client.end('short\r\n'.repeat(100))
  let count = 0
  for await (const line of connection) count += line.length === 7 ? 1 : 0
  assert.equal(count, 100)
})

overEach('the rest before the client ended its side has the same limit', async (t) => {
  const { connection, client } = await connected(t, { maxLineBytes: 16 })
  client.end('x'.repeat(16))
  await assert.rejects(connection.readLine(), { code: 'LINE_TOO_LONG' })
})

overEach('a line that is too long can still be read as bytes', async (t) => {
  const { connection, client } = await connected(t, { maxLineBytes: 16 })
  client.end('x'.repeat(20))
  await assert.rejects(connection.readLine(), { code: 'LINE_TOO_LONG' })
  let bytes = 0
  for (let part = await connection.read(); part !== null; part = await connection.read()) {
    bytes += part.length
  }
  assert.equal(bytes, 20)
})

overEach('two reads at the same time are refused, and the first one goes on', async (t) => {
  const { connection, client } = await connected(t)
  const first = connection.readLine()
  await assert.rejects(connection.readLine(), /Another read .* still waiting/)
  await assert.rejects(connection.read(), /Another read .* still waiting/)
  client.write('a\r\n')
  assert.deepEqual(await first, Buffer.from('a\r\n'))
})

test('a client that sends while nobody reads is left to wait, and loses nothing', async (t) => {
  const { connection, client, server } = await connected(t)
  const sent = randomBytes(4 * 1_048_576)
  client.end(sent)
  await waitFor('the socket to be paused', () => server.isPaused())
  assert.ok(server.bytesRead < sent.length / 4, `${server.bytesRead} bytes were taken in`)
  const parts: Buffer[] = []
  for (let part = await connection.read(); part !== null; part = await connection.read()) {
    parts.push(part)
  }
  assert.ok(Buffer.concat(parts).equals(sent))
})

overEach('a read that nobody awaits yet ends no process when the client resets', async (t) => {
  const { connection, client } = await connected(t)
  const line = connection.readLine()
  client.resetAndDestroy()
  await waitFor('the abort of the signal', () => connection.signal.aborted)
  // The process would be gone by the next turn, had the rejection nobody who handles it.
  await new Promise((resolve) => setImmediate(resolve))
  await assert.rejects(line, { code: 'CLIENT_GONE' })
})

overEach('after a line that was too long, nothing tells where the next one begins', async (t) => {
  for (const packets of [['x'.repeat(25), '\r\nnext\r\n'], [`${'x'.repeat(25)}\r\nnext\r\n`]]) {
    const { connection, client } = await connected(t, { maxLineBytes: 16 })
    for (const packet of packets) client.write(packet)
    await assert.rejects(connection.readLine(), LineTooLongError)
    await assert.rejects(connection.readLine(), LineTooLongError)
  }
})

overEach('an address is asked for when it is wanted, and kept', async (t) => {
  const { connection, client } = await connected(t)
  const { remote } = connection
  assert.equal(remote.port, client.localPort)
  client.resetAndDestroy()
  await assert.rejects(connection.read(), { code: 'CLIENT_GONE' })
  assert.deepEqual(connection.remote, remote)
})

overEach('the address of a client that has reset the connection is forgotten', async (t) => {
  const { connection, client } = await connected(t)
  client.resetAndDestroy()
  await assert.rejects(connection.read(), { code: 'CLIENT_GONE' })
  assert.deepEqual(connection.remote, { address: 'unknown', port: 0 })
})

overEach('a connection is untouched until a byte has passed', async (t) => {
  const received = await connected(t)
  assert.equal(received.connection.isUntouched, true)
  received.client.write('a')
  await received.connection.read()
  received.client.resetAndDestroy()
  await assert.rejects(received.connection.read(), { code: 'CLIENT_GONE' })
  assert.equal(received.connection.isUntouched, false)

  const sent = await connected(t)
  await sent.connection.write('a')
  assert.equal(sent.connection.isUntouched, false)
})
