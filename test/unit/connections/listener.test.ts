import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { drained, Listener } from '../../../src/connections/listener.ts'
import type { Endpoint } from '../../../src/endpoint.ts'
import { remoteOf, type SocketHandle, socketOver } from '../../../src/ipc/socket-handle.ts'
import { waitFor } from '../../helpers/wait-for.ts'
import { keptLog } from '../support/kept-log.ts'

function listener(t: TestContext, endpoint: Endpoint = { host: '127.0.0.1', port: 0 }) {
  const handles: SocketHandle[] = []
  const made = new Listener(
    { number: 0, settings: { endpoint } },
    { accept: (handle) => handles.push(handle) },
    keptLog().log,
  )
  t.after(() => {
    made.close()
    for (const handle of handles) handle.close()
  })
  return { listener: made, handles }
}

test('a connection arrives unread: its bytes stay in the system', async (t) => {
  const { listener: made, handles } = listener(t)
  assert.equal(made.endpoint, undefined)
  await made.listen()
  const { port = 0 } = made.endpoint ?? {}
  const client = connect(port, '127.0.0.1')
  t.after(() => client.destroy())
  await once(client, 'connect')
  await new Promise<void>((resolve) => client.write('hello', () => resolve()))
  const handle = await waitFor('the connection', () => handles[0])
  assert.deepEqual(remoteOf(handle), { address: '127.0.0.1', port: client.localPort })
  const server = socketOver(handle)
  t.after(() => server.destroy())
  const [bytes] = (await once(server, 'data')) as [Buffer]
  assert.equal(bytes.toString(), 'hello')
})

test('a port that another program uses is refused, with the remedy', async (t) => {
  const { listener: first } = listener(t)
  await first.listen()
  const { port = 0 } = first.endpoint ?? {}
  await assert.rejects(listener(t, { host: '127.0.0.1', port }).listener.listen(), {
    code: 'ADDRESS_TAKEN',
    message: `Cannot listen on 127.0.0.1:${port}: another program uses it; stop that program, or set another port ("port" or "listen" in the configuration, or HELLOSERVER_PORT)`,
  })
})

// TEST-NET-1 (RFC 5737) belongs to nobody, and neither do names under "invalid" (RFC 6761).
for (const [host, message] of [
  ['192.0.2.1', 'Cannot listen on 192.0.2.1:0: this host does not have the address'],
  ['no.invalid', 'Cannot listen on no.invalid:0: the name does not resolve (not found)'],
  ['fe80::1%no0', 'Cannot listen on [fe80::1%no0]:0: this host does not have the interface "no0"'],
] as const) {
  test(`${host} is an address that may yet come`, async (t) => {
    const failure = { code: 'ADDRESS_ABSENT', message }
    await assert.rejects(listener(t, { host, port: 0 }).listener.listen(), failure)
  })
}

test('an address of one link, without the link, never comes', async (t) => {
  await assert.rejects(listener(t, { host: 'fe80::1', port: 0 }).listener.listen(), {
    code: 'BAD_CONFIG',
    message: /set HELLOSERVER_HOST to "fe80::1%INTERFACE"$/,
  })
})

test('a listener that is closed before it has bound never listens', async (t) => {
  const { listener: made } = listener(t)
  const listening = made.listen()
  made.close()
  await assert.rejects(listening, { code: 'STOPPING' })
  assert.equal(made.endpoint, undefined)
})

test('a closed listener refuses new clients, and leaves connected ones alone', async (t) => {
  const { listener: made, handles } = listener(t)
  await made.listen()
  const { port = 0 } = made.endpoint ?? {}
  const client = connect(port, '127.0.0.1')
  t.after(() => client.destroy())
  const handle = await waitFor('the connection', () => handles[0])
  made.close()
  const [error] = (await once(connect(port, '127.0.0.1'), 'error')) as [NodeJS.ErrnoException]
  assert.equal(error.code, 'ECONNREFUSED')
  assert.ok(remoteOf(handle) !== undefined)
})

test('a client that connected before the drain is accepted, not reset', async (t) => {
  const { listener: made, handles } = listener(t)
  await made.listen()
  const { port = 0 } = made.endpoint ?? {}
  const clients = Array.from({ length: 30 }, () => connect(port, '127.0.0.1'))
  t.after(() => clients.map((client) => client.destroy()))
  // The system has all of them when the first one hears of it, and this turn has accepted one or none.
  await Promise.all(clients.slice(-1).map((client) => once(client, 'connect')))
  assert.ok(handles.length < clients.length)
  await drained([made])
  made.close()
  assert.equal(handles.length, clients.length)
})
