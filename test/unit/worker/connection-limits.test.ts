import assert from 'node:assert/strict'
import { test } from 'node:test'
import { waitFor } from '../../helpers/wait-for.ts'
import { Clock } from '../support/clock.ts'
import { connected } from '../support/connected.ts'
import { overEach } from '../support/over-each.ts'
import { received } from '../support/socket-pair.ts'

overEach(
  'a client that sends nothing for too long fails the read, and may be read again',
  async (t) => {
    const clock = new Clock(t)
    const { connection, client } = await connected(t, { readTimeoutMs: 500 })
    const first = assert.rejects(connection.readLine(), {
      code: 'READ_TIMEOUT',
      message: 'The client sent nothing for 500 ms',
    })
    clock.advance(500)
    await first
    client.write('late\r\n')
    assert.deepEqual(await connection.readLine(), Buffer.from('late\r\n'))
  },
)

test('each piece that arrives starts the time of a read again', async (t) => {
  const clock = new Clock(t)
  const { connection, client, server } = await connected(t, { readTimeoutMs: 500 })
  const line = connection.readLine()
  for (const piece of ['a', 'b', 'c']) {
    clock.advance(499)
    const before = server.bytesRead
    client.write(piece)
    await waitFor('the piece', () => server.bytesRead > before && turn())
  }
  client.write('\r\n')
  assert.deepEqual(await line, Buffer.from('abc\r\n'))
})

overEach('a handler that works without reading has no read timeout', async (t) => {
  const clock = new Clock(t)
  const { connection, client } = await connected(t, { readTimeoutMs: 500, deadlineMs: 60_000 })
  client.write('a\r\nb\r\n')
  await connection.readLine()
  clock.advance(30_000)
  assert.deepEqual(await connection.readLine(), Buffer.from('b\r\n'))
})

test('at the deadline the signal is aborted, reads fail and the socket is closed', async (t) => {
  const clock = new Clock(t)
  const { connection, server } = await connected(t, { deadlineMs: 1_000 })
  const { signal } = connection
  const read = assert.rejects(connection.read(), { code: 'DEADLINE' })
  clock.advance(999)
  assert.equal(signal.aborted, false)
  clock.advance(1)
  assert.equal(signal.aborted, true)
  assert.equal((signal.reason as { code?: string }).code, 'DEADLINE')
  await read
  assert.equal(server.destroyed, true)
  await assert.rejects(connection.flush(), { code: 'DEADLINE' })
})

overEach('a signal that is asked for after the end is aborted already', async (t) => {
  const { connection } = await connected(t)
  connection.end('TERMINATED', 'The service was told to stop at once')
  assert.equal(connection.signal.aborted, true)
  assert.equal((connection.signal.reason as { code?: string }).code, 'TERMINATED')
})

overEach('the first cause of an end is the one that is told', async (t) => {
  const { connection, client } = await connected(t)
  const read = assert.rejects(connection.readLine(), { code: 'TERMINATED' })
  connection.end('TERMINATED', 'The service was told to stop at once')
  connection.end('DEADLINE', 'too late')
  client.resetAndDestroy()
  await read
  await assert.rejects(connection.readLine(), { code: 'TERMINATED' })
  await assert.rejects(connection.write('x'), { code: 'TERMINATED' })
})

overEach('a client that resets fails the read in hand and aborts the signal', async (t) => {
  const { connection, client } = await connected(t)
  const { signal } = connection
  const read = assert.rejects(connection.readLine(), { code: 'CLIENT_GONE' })
  client.resetAndDestroy()
  await read
  assert.equal(signal.aborted, true)
})

test('a connection that was released has no deadline and no read timeout any more', async (t) => {
  const clock = new Clock(t)
  const { connection, server } = await connected(t, { deadlineMs: 1_000, readTimeoutMs: 500 })
  const read = assert.rejects(connection.read(), { code: 'CONNECTION_ENDED' })
  connection.release()
  await read
  clock.advance(5_000)
  assert.equal(server.destroyed, false)
})

overEach(
  'a handler that goes on after it has settled is told so, and cannot reach the client',
  async (t) => {
    const { connection, client, conclude } = await connected(t)
    const { signal } = connection
    connection.release()
    assert.equal(signal.aborted, true)
    await assert.rejects(connection.write('late'), { code: 'CONNECTION_ENDED' })
    await assert.rejects(connection.readLine(), { code: 'CONNECTION_ENDED' })
    conclude()
    assert.equal((await received(client)).length, 0)
  },
)

function turn(): Promise<true> {
  return new Promise((resolve) => setImmediate(() => resolve(true)))
}
