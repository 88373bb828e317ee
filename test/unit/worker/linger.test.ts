import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Socket } from 'node:net'
import { test } from 'node:test'
import { TestClock } from '../../../src/testing.ts'
import { Lingerers } from '../../../src/worker/linger.ts'
import { SocketTransport } from '../../../src/worker/socket-transport.ts'
import { received, socketPair } from '../support/socket-pair.ts'

/** Nobody is given up: time stands still. */
function stillLingerers(): Lingerers {
  return new Lingerers(2_000, new TestClock())
}

/** Ends a connection as a worker does. */
const linger = (lingerers: Lingerers, socket: Socket) =>
  new SocketTransport(socket, { keepAliveMs: 0, noDelay: true }, lingerers).conclude()

test('an answer reaches a client whose input nobody read', async (t) => {
  const { server, client } = await socketPair(t)
  const lingerers = stillLingerers()
  client.write(Buffer.alloc(1_048_576))
  server.write('answer')
  linger(lingerers, server)
  assert.equal((await received(client)).toString(), 'answer')
  client.end()
  await lingerers.settled()
  assert.equal(server.destroyed, true)
})

test('a client that does not close is let go when its time is up', async (t) => {
  const clock = new TestClock()
  const { server, client } = await socketPair(t)
  const lingerers = new Lingerers(2_000, clock)
  linger(lingerers, server)
  client.resume()
  await once(client, 'end')
  await clock.advance(1_999)
  assert.equal(server.destroyed, false)
  await clock.advance(1)
  assert.equal(server.destroyed, true)
  await lingerers.settled()
})

test('each has its own time, whoever else lingers', async (t) => {
  const clock = new TestClock()
  const lingerers = new Lingerers(2_000, clock)
  const first = await socketPair(t)
  const second = await socketPair(t)
  linger(lingerers, first.server)
  await clock.advance(1_500)
  linger(lingerers, second.server)
  await clock.advance(500)
  assert.deepEqual([first.server.destroyed, second.server.destroyed], [true, false])
  await clock.advance(1_499)
  assert.equal(second.server.destroyed, false)
  await clock.advance(1)
  assert.equal(second.server.destroyed, true)
  await lingerers.settled()
})

test('so many linger and no more: the oldest goes first', async (t) => {
  const clock = new TestClock()
  const lingerers = new Lingerers(2_000, clock)
  const first = await socketPair(t)
  const second = await socketPair(t)
  linger(lingerers, first.server)
  linger(lingerers, second.server)
  for (let count = 0; count < 511; count += 1) linger(lingerers, new Socket())
  assert.deepEqual([first.server.destroyed, second.server.destroyed], [true, false])
  await clock.advance(2_000)
})

test('nobody lingers at first, and a closed socket does not either', async (t) => {
  const { server } = await socketPair(t)
  const lingerers = stillLingerers()
  await lingerers.settled()
  server.destroy()
  linger(lingerers, server)
  await lingerers.settled()
})

test('all must be gone before it is settled', async (t) => {
  const pairs = [await socketPair(t), await socketPair(t)]
  const lingerers = stillLingerers()
  for (const { server } of pairs) linger(lingerers, server)
  let isSettled = false
  const settled = lingerers.settled().then(() => {
    isSettled = true
  })
  pairs[0]?.client.end().resume()
  await once((pairs[0] as (typeof pairs)[number]).server, 'close')
  assert.equal(isSettled, false)
  pairs[1]?.client.end().resume()
  await settled
})
