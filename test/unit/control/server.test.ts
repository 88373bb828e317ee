import assert from 'node:assert/strict'
import { once } from 'node:events'
import { renameSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { deferred } from '../../../src/async/deferred.ts'
import { callService } from '../../../src/control/call.ts'
import { ControlClient } from '../../../src/control/control-client.ts'
import type { ControlTarget } from '../../../src/control/protocol.ts'
import { HelloserverError } from '../../../src/errors.ts'
import { listening, rawClient } from '../support/control.ts'
import { received } from '../support/socket-pair.ts'
import { tempFolder } from '../support/temp-folder.ts'

async function calling(t: TestContext, changes?: Partial<ControlTarget>) {
  const { server, path } = await listening(t, changes)
  const client = await ControlClient.connect(path)
  t.after(() => client.close())
  return { server, path, client }
}

test('requests reach the service, with what they carry, and come back with its answers', async (t) => {
  const asked: unknown[] = []
  const { client } = await calling(t, {
    scale: async (workers) => void asked.push(workers),
    reload: async (cause, request) => {
      asked.push(cause, request)
      return { at: '', outcome: 'failed', reason: 'no', durationMs: 2 }
    },
  })
  assert.equal((await client.request('status', {})).name, 'test')
  assert.deepEqual(await client.request('scale', { workers: 3 }), { workers: 3 })
  const result = await client.request('reload', { environment: { HELLOSERVER_PORT: '1' } })
  assert.equal(result.reason, 'no')
  assert.deepEqual(asked, [3, 'a reload command', { environment: { HELLOSERVER_PORT: '1' } }])
})

test("the service's errors arrive with their code and their sentence", async (t) => {
  const { client } = await calling(t, {
    scale: async () => {
      throw new HelloserverError('BOOT_FAILED', 'Worker 2 could not get ready')
    },
  })
  await assert.rejects(client.request('scale', { workers: 2 }), {
    code: 'BOOT_FAILED',
    message: 'Worker 2 could not get ready',
  })
})

for (const [what, params] of [
  ['too few', { workers: 0 }],
  ['too many', { workers: 1_025 }],
  ['half a worker', { workers: 1.5 }],
  ['a word', { workers: 'two' }],
  ['nothing', {}],
] as const) {
  test(`scaling to ${what} is refused before the service hears of it`, async (t) => {
    let asked = 0
    const { client } = await calling(t, {
      scale: async () => {
        asked += 1
      },
    })
    await assert.rejects(client.request('scale', params as { workers: number }), {
      code: 'BAD_USAGE',
      message: /^Bad parameters for scale: workers: /,
    })
    assert.equal(asked, 0)
  })
}

for (const garbage of [
  '{}',
  'null',
  '7',
  '"status"',
  '[]',
  '[{}]',
  '{"jsonrpc":"2.0"}',
  '{"jsonrpc":"1.0","method":"status","id":1}',
  '{"jsonrpc":"2.0","method":7,"id":1}',
  '{"jsonrpc":"2.0","id":9,"result":{}}',
  '{"jsonrpc":"2.0","id":9,"error":null}',
  'GET / HTTP/1.1',
  '',
]) {
  test(`whoever sends ${garbage || 'an empty line'} does not disturb the service or its other callers`, async (t) => {
    const warned = t.mock.method(console, 'warn', () => {})
    const { client, path } = await calling(t)
    const stranger = await rawClient(t, path)
    stranger.end(`${garbage}\n`)
    await received(stranger)
    assert.equal((await client.request('status', {})).name, 'test')
    assert.equal(warned.mock.callCount(), 0)
  })
}

test('a method that does not exist is answered with an error', async (t) => {
  const { path } = await listening(t)
  const stranger = await rawClient(t, path)
  stranger.end('{"jsonrpc":"2.0","method":"explode","id":1}\n')
  const answer = JSON.parse((await received(stranger)).toString()) as { error: { code: number } }
  assert.equal(answer.error.code, -32_601)
})

test('a caller that leaves before its answer disturbs nobody', async (t) => {
  let answer: (value: { dropped: number }) => void = () => {}
  const { client, path } = await calling(t, {
    stop: () =>
      new Promise((resolve) => {
        answer = resolve
      }),
  })
  const impatient = await ControlClient.connect(path)
  const stopped = assert.rejects(impatient.request('stop', {}), { code: 'HUNG_UP' })
  await client.request('status', {})
  impatient.close()
  await stopped
  answer({ dropped: 0 })
  assert.equal((await client.request('status', {})).name, 'test')
})

test('farewell sends the last answers and hangs up on all', async (t) => {
  const { server, client, path } = await calling(t)
  const status = client.request('status', {})
  await status
  server.close()
  await server.farewell()
  await client.closed
  await assert.rejects(ControlClient.connect(path), { code: 'NOT_RUNNING' })
})

/** A service whose client waits for an answer that is not settled, when another process takes over. */
async function handedOverWhileScaling(t: TestContext) {
  const begun = deferred<void>()
  const scaled = deferred<void>()
  const { server, path, client } = await calling(t, {
    scale: () => {
      begun.resolve()
      return scaled.promise
    },
  })
  const scaling = client.request('scale', { workers: 3 })
  await begun.promise
  server.handOver(4711)
  assert.equal(await client.handedOver, 4711)
  return { client, path, scaled, scaling }
}

test('once another process is the service, nothing is done here but what was begun', async (t) => {
  const { client, path, scaled, scaling } = await handedOverWhileScaling(t)
  const told = { code: 'HANDED_OVER', message: 'Process 4711 is the service now' }
  await assert.rejects(client.request('status', {}), told)
  const late = await ControlClient.connect(path)
  t.after(() => late.close())
  assert.equal(await late.handedOver, 4711)
  await assert.rejects(late.request('scale', { workers: 2 }), told)
  scaled.resolve()
  assert.deepEqual(await scaling, { workers: 3 })
})

test('a request that failed before the hand-over is answered, and not repeated', async (t) => {
  const { scaled, scaling } = await handedOverWhileScaling(t)
  scaled.reject(new Error('No room'))
  await assert.rejects(scaling, { code: 'CONTROL_FAILED', message: 'No room' })
})

test('a request after the service has closed the connection is rejected with the reason', async (t) => {
  const { server, client } = await calling(t)
  await client.request('status', {})
  await server.farewell()
  await client.closed
  await assert.rejects(client.request('status', {}), {
    code: 'HUNG_UP',
    message: 'The service ended before it answered',
  })
})

test('a request left unanswered at a hand-over is repeated to the successor', async (t) => {
  const before = await listening(t, { stop: () => new Promise(() => {}) })
  const after = await listening(t, { stop: async () => ({ dropped: 7 }) })
  const stopped = callService(
    () => ControlClient.connect(before.path),
    (client) => client.request('stop', {}),
  )
  const witness = await ControlClient.connect(before.path)
  await witness.request('status', {})
  before.server.handOver(4711)
  await witness.handedOver
  renameSync(after.path, before.path)
  await before.server.farewell()
  assert.deepEqual(await stopped, { dropped: 7 })
})

test('a client that is disconnected before the hello tries again', async (t) => {
  const path = join(tempFolder(t), 'sock')
  let callers = 0
  const leaving = createServer((socket) => {
    callers += 1
    socket.destroy()
  })
  leaving.listen(path)
  await once(leaving, 'listening')
  t.after(() => leaving.close())
  await assert.rejects(ControlClient.connect(path), {
    code: 'HUNG_UP',
    message: 'The service ended before it answered',
  })
  assert.equal(callers, 8)
  const { path: next } = await listening(t)
  leaving.once('connection', () => renameSync(next, path))
  const client = await ControlClient.connect(path)
  t.after(() => client.close())
  assert.equal((await client.request('status', {})).name, 'test')
})

test('an aborted wait leaves no connection behind', async (t) => {
  const path = join(tempFolder(t), 'sock')
  const mute = createServer((socket) => socket.resume())
  mute.listen(path)
  await once(mute, 'listening')
  const over = new AbortController()
  mute.once('connection', () => over.abort())
  const ask = (client: ControlClient) => client.request('status', {})
  await assert.rejects(
    callService(() => ControlClient.connect(path, over.signal), ask),
    { code: 'CONTROL_FAILED' },
  )
  // It closes when the last of its connections has.
  mute.close()
  await once(mute, 'close')
})

test('a bridge is told by whom it is superseded: nobody at first, then the next one', async (t) => {
  const { server, client, path } = await calling(t)
  const first = await client.request('attach', { pid: 11 })
  assert.equal(first.superseded, false)
  assert.equal(server.supervisor.pid, 11)
  const told = new Promise<void>((resolve) => client.on('superseded', () => resolve()))
  const next = await ControlClient.connect(path)
  t.after(() => next.close())
  const attached = next.request('attach', { pid: 12 })
  await told
  client.close()
  assert.equal((await attached).superseded, true)
  assert.equal(server.supervisor.pid, 12)
})

test('where nobody listens, nothing is running', async (t) => {
  await assert.rejects(ControlClient.connect(join(tempFolder(t), 'sock')), { code: 'NOT_RUNNING' })
})

test('a service that speaks another version of the protocol is refused with what to do', async (t) => {
  const path = join(tempFolder(t), 'sock')
  const server = createServer((socket) => {
    socket.on('data', (request: Buffer) => {
      const { id } = JSON.parse(request.toString()) as { id: number }
      const result = { protocol: 99, version: '9.0.0', pid: 4711 }
      socket.write(`${JSON.stringify({ jsonrpc: '2.0', id, result })}\n`)
    })
  })
  server.listen(path)
  await once(server, 'listening')
  t.after(() => server.close())
  const client = await ControlClient.connect(path)
  t.after(() => client.close())
  await assert.rejects(client.request('stop', {}), {
    code: 'OTHER_PROTOCOL',
    message:
      /^The service is helloserver 9\.0\.0 and speaks control protocol 99, .* "kill -USR2 4711"/,
  })
})
