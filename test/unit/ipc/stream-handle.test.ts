import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import {
  needStreams,
  readTo,
  type StreamHandle,
  sendTo,
  shutDown,
  streamWrapOf,
  writeTo,
} from '../../../src/ipc/stream-handle.ts'
import { waitFor } from '../../helpers/wait-for.ts'
import { handlePair } from '../support/handles.ts'
import { received } from '../support/socket-pair.ts'

test('a runtime whose streams differ is refused, with the remedy', () => {
  const refused = { code: 'BOOT_FAILED', message: /use a version that docs\/versions\.md lists/ }
  const refuse = () => {
    throw new Error('access denied')
  }
  for (const binding of [() => ({}), () => undefined, refuse]) {
    assert.throws(() => streamWrapOf({ binding }), refused)
  }
  assert.throws(() => streamWrapOf({}), refused)
  needStreams()
})

test('what a client sends is read, and then its end', async (t) => {
  const { handle, client } = await handlePair(t)
  const seen: string[] = []
  const bare = handle as StreamHandle
  readTo(bare, {
    onBytes: (bytes) => seen.push(String(bytes)),
    onEnd: () => seen.push('end'),
    onError: (errno) => seen.push(`error ${errno}`),
  })
  assert.equal(bare.readStart(), 0)
  client.end('words')
  await waitFor('the end', () => seen.length === 2)
  assert.deepEqual(seen, ['words', 'end'])
})

test('a reset is an error, and not the end', async (t) => {
  const { handle, client } = await handlePair(t)
  const errors: number[] = []
  const bare = handle as StreamHandle
  readTo(bare, {
    onBytes: () => assert.fail('bytes'),
    onEnd: () => assert.fail('an end'),
    onError: (errno) => errors.push(errno),
  })
  bare.readStart()
  client.resetAndDestroy()
  await waitFor('the reset', () => errors.length > 0)
  assert.deepEqual(errors, [-104])
})

test('what is sent arrives in its order, however long it takes, and then the end', async (t) => {
  const { handle, client } = await handlePair(t)
  const bare = handle as StreamHandle
  const calls: string[] = []
  writeTo(bare, Buffer.alloc(16_777_216, 'a'), (errno) => calls.push(`long ${errno}`))
  writeTo(bare, Buffer.from('b'), (errno) => calls.push(`short ${errno}`))
  shutDown(bare, (errno) => calls.push(`end ${errno}`))
  assert.deepEqual(calls, [], 'nobody reads yet')
  const all = await received(client)
  assert.equal(all.length, 16_777_217)
  assert.equal(all.at(-1), 'b'.charCodeAt(0))
  assert.deepEqual(calls, ['long 0', 'short 0', 'end 0'])
})

test('whatever is asked of a closed handle fails', async (t) => {
  const { handle, client } = await handlePair(t)
  const bare = handle as StreamHandle
  const gone = once(client, 'close')
  client.resume()
  const results: number[] = []
  const note = (errno: number) => results.push(errno)
  const askAll = () => {
    sendTo(bare, 'line\n', bare, note)
    writeTo(bare, Buffer.from('b'), note)
    shutDown(bare, note)
  }
  const closed = new Promise<void>((resolve) => bare.close(resolve))
  askAll()
  await closed
  askAll()
  assert.equal(results.length, 6)
  assert.ok(
    results.every((errno) => errno < 0),
    String(results),
  )
  client.end()
  await gone
})
