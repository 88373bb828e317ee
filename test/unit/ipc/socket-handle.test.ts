import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { test } from 'node:test'
import { acceptHandles, remoteOf } from '../../../src/ipc/socket-handle.ts'
import { waitFor } from '../../helpers/wait-for.ts'
import { handlePair } from '../support/handles.ts'

const ignore = () => {}

test('a handle knows its client until that resets the connection', async (t) => {
  const { handle, client } = await handlePair(t)
  assert.deepEqual(remoteOf(handle), { address: '127.0.0.1', port: client.localPort })
  client.resetAndDestroy()
  await waitFor('the reset', () => remoteOf(handle) === undefined)
})

test('a client that has ended its side is still there', async (t) => {
  const { handle, client } = await handlePair(t)
  client.end()
  await once(client, 'finish')
  assert.ok(remoteOf(handle) !== undefined)
})

test('an error of the system is told with its name', async (t) => {
  const errors: Error[] = []
  const server = createServer().listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  acceptHandles(server, ignore, (error) => errors.push(error))
  const { _handle: listening } = server as Server & {
    _handle?: { onconnection(status: number): void }
  }
  listening?.onconnection(-24)
  assert.deepEqual(
    errors.map(({ message }) => message),
    ['accept EMFILE'],
  )
})

test('a runtime that accepts in another way is refused', () => {
  assert.throws(() => acceptHandles(createServer(), ignore, ignore), {
    code: 'BOOT_FAILED',
    message: /accepts connections in a way that helloserver does not know/,
  })
})
