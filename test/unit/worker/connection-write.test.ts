import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { waitFor, within } from '../../helpers/wait-for.ts'
import { connected } from '../support/connected.ts'
import { overEach, wayOf } from '../support/over-each.ts'
import { received } from '../support/socket-pair.ts'
import { turns } from '../support/turns.ts'

overEach('a client that has ended its side still gets its answer', async (t) => {
  const { connection, client, conclude } = await connected(t)
  client.end('question')
  assert.deepEqual(await connection.readLine(), Buffer.from('question'))
  assert.equal(await connection.readLine(), null)
  await connection.write('answer')
  conclude()
  assert.equal((await received(client)).toString(), 'answer')
})

overEach('text goes out as UTF-8, and bytes as they are', async (t) => {
  const { connection, client, conclude } = await connected(t)
  await connection.write('ü')
  await connection.write(Uint8Array.of(0xff, 0))
  conclude()
  assert.deepEqual(await received(client), Buffer.from([0xc3, 0xbc, 0xff, 0]))
})

overEach('flush waits for every write, awaited or not', async (t) => {
  const { connection, client, conclude } = await connected(t)
  const sent = randomBytes(8 * 1_048_576)
  for (let at = 0; at < sent.length; at += 1_048_576) {
    void connection.write(sent.subarray(at, at + 1_048_576))
  }
  let isFlushed = false
  const flushed = connection.flush().then(() => {
    isFlushed = true
  })
  await waitFor('the system to take no more', () => client.readableLength > 0)
  assert.equal(isFlushed, false)
  const all = received(client)
  await flushed
  conclude()
  assert.ok((await all).equals(sent))
})

overEach('nothing written is flushed at once', async (t) => {
  const { connection } = await connected(t)
  await connection.flush()
})

overEach(
  'an answer that was taken whole stays served when the client resets after it',
  async (t) => {
    const { connection, client } = await connected(t)
    await connection.write('answer')
    client.resetAndDestroy()
    await waitFor('the reset to be seen', () => connection.signal.aborted)
    await connection.flush()
  },
)

overEach('what is written in the course of a conversation leaves at once', async (t) => {
  const { connection, client } = await connected(t)
  let arrived = ''
  client.on('data', (bytes) => {
    arrived += String(bytes)
  })
  for (let round = 1; round <= 3; round += 1) {
    client.write('question\r\n')
    await connection.readLine()
    await connection.write('answer')
    await connection.write('\r\n')
    await turns(20)
    assert.equal(arrived, 'answer\r\n'.repeat(round))
  }
})

overEach('an answer that the client resets under fails the flush and the writes', async (t) => {
  const { connection, client } = await connected(t)
  const write = connection.write(randomBytes(16 * 1_048_576))
  const flush = connection.flush()
  client.resetAndDestroy()
  await assert.rejects(flush, { code: 'CLIENT_GONE' })
  await assert.rejects(write, { code: 'CLIENT_GONE' })
  await assert.rejects(connection.write('more'), { code: 'CLIENT_GONE' })
})

test('an answer that was cut short is not flushed, however late one asks', async (t) => {
  const { connection, client, server } = await connected(t)
  void connection.write(randomBytes(16 * 1_048_576))
  client.resetAndDestroy()
  await waitFor('the socket to close', () => server.closed)
  await assert.rejects(connection.flush(), { code: 'CLIENT_GONE' })
})

for (const which of [0, 1]) {
  overEach(
    `memory that an app transfers before it is sent costs that connection at most: piece ${which}`,
    async (t) => {
      const { connection, client, conclude } = await connected(t)
      // The system takes a part of the first.
      const pieces = [8, 1].map((mebibytes) =>
        new Uint8Array(mebibytes * 1_048_576).fill(mebibytes),
      )
      const sent = Buffer.concat(pieces)
      const written = Promise.all(pieces.map((piece) => connection.write(piece)))
      const memory = pieces[which]?.buffer as ArrayBuffer
      structuredClone(memory, { transfer: [memory] })
      if (wayOf(t) === 'native') {
        client.resume()
        await assert.rejects(written, { code: 'CONNECTION_ENDED' })
        await assert.rejects(connection.flush(), { code: 'CONNECTION_ENDED' })
      } else {
        const all = received(client)
        await written
        conclude()
        assert.ok((await all).equals(sent))
      }
    },
  )
}

overEach('a write that nobody awaits ends no process when it fails', async (t) => {
  const { connection, client } = await connected(t)
  client.resetAndDestroy()
  await waitFor('the reset to be seen', () => connection.signal.aborted)
  void connection.write('into the void')
  await new Promise((resolve) => setImmediate(resolve))
})

overEach(
  'a write of what is neither text nor bytes fails by itself, and does not keep the flush',
  async (t) => {
    const { connection } = await connected(t)
    const frames = connection.frames({ lengthBytes: 2 })
    for (const [data, shown] of [
      [7, '7'],
      [null, 'null'],
      [undefined, 'undefined'],
      [{ a: 'b' }, "{ a: 'b' }"],
      [new Uint16Array(1), 'Uint16Array(1) [ 0 ]'],
      [['a', ['b']], "[ 'b' ]"],
    ] as const) {
      const message = `Cannot write ${shown}; only text, a Uint8Array, or a list of these can be written`
      for (const write of [connection, frames])
        await assert.rejects(write.write(data as never), { name: 'TypeError', message })
    }
    await within('the flush', connection.flush(), 2_000)
  },
)
