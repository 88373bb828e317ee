import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { deferred } from '../../../src/async/deferred.ts'
import { ControlClient } from '../../../src/control/control-client.ts'
import type { ReloadResult } from '../../../src/status.ts'
import { waitFor, within } from '../../helpers/wait-for.ts'
import { listening, rawClient } from '../support/control.ts'

const asking = (method: string, id: number | string = 1, params: unknown = {}) => ({
  jsonrpc: '2.0',
  method,
  id,
  params,
})
const line = (message: unknown) => `${JSON.stringify(message)}\n`
const status = line(asking('status'))

/** Fails unless an ordinary caller is answered. */
async function answers(path: string): Promise<void> {
  const client = await ControlClient.connect(path)
  assert.equal((await client.request('status', {})).name, 'test')
  client.close()
}

async function flooding(t: TestContext, path: string, bytes: string): Promise<Socket> {
  const socket = await rawClient(t, path)
  socket.on('error', () => {})
  socket.write(bytes)
  return socket
}

test('a small batch is answered, a large one with one error, and none of it is done', async (t) => {
  let scaled = 0
  const { path } = await listening(t, {
    scale: async () => {
      scaled += 1
    },
  })
  const small = await rawClient(t, path)
  small.write(line(Array.from({ length: 3 }, (_, id) => asking('status', id))))
  const [answer] = (await once(small)).split('\n')
  assert.equal((JSON.parse(answer ?? '') as unknown[]).length, 3)
  const large = await rawClient(t, path)
  large.write(line(Array.from({ length: 1_000 }, (_, id) => asking('scale', id, { workers: 1 }))))
  assert.deepEqual(JSON.parse(await once(large)), {
    jsonrpc: '2.0',
    id: null,
    error: { code: -32_600, message: 'The batch has 1000 requests; at most 16 are answered' },
  })
  assert.equal(scaled, 0)
})

/** The first that arrives. */
async function once(socket: Socket): Promise<string> {
  const arrived = deferred<string>()
  socket.once('data', (bytes: Buffer) => arrived.resolve(bytes.toString()))
  return within('an answer', arrived.promise)
}

test('a message past the limit is cut off, whether or not it ends', async (t) => {
  const { path } = await listening(t)
  for (const ending of ['', '\n']) {
    const socket = await flooding(t, path, `"${'x'.repeat(300_000)}"${ending}`)
    await waitFor('the end of a connection', () => socket.destroyed)
  }
  await answers(path)
})

test('a line in pieces of a byte each is read in a time that grows with its length', async (t) => {
  const { path } = await listening(t)
  const socket = await rawClient(t, path)
  socket.setNoDelay()
  const bytes = Buffer.from(line(asking('status', 'x'.repeat(20_000))))
  for (const byte of bytes) socket.write(Uint8Array.of(byte))
  assert.match(await once(socket), /"name":"test"/)
})

test('deep nesting is refused like any other nonsense', async (t) => {
  const { path } = await listening(t)
  const deep = `${'['.repeat(20)}${']'.repeat(20)}`
  const deepParams = `{"jsonrpc":"2.0","id":1,"method":"reload","params":{"environment":${deep}}}`
  const noRequest = await flooding(t, path, `${deep}\n`)
  await waitFor('the end of a connection', () => noRequest.destroyed)
  const badRequest = await flooding(t, path, `${deepParams}\n`)
  await waitFor('the end of another', () => badRequest.destroyed)
  const brackets = await flooding(t, path, line(asking('status', '[{"'.repeat(1_000))))
  assert.match(await once(brackets), /"name":"test"/)
  await answers(path)
})

test('an environment that no process could be given is refused', async (t) => {
  const { path } = await listening(t)
  const client = await ControlClient.connect(path)
  t.after(() => client.close())
  const many = Object.fromEntries(Array.from({ length: 1_001 }, (_, n) => [`v${n}`, '']))
  const environments = [many, { 'a=b': '' }, { '': '' }, { a: 'b\0c' }, { 'a\0': '' }]
  for (const environment of environments) {
    await assert.rejects(client.request('reload', { environment }), { code: 'BAD_USAGE' })
  }
})

test('a caller that never reads is not read from without bound, and others are answered', async (t) => {
  let asked = 0
  const { path } = await listening(t, {
    status: () => {
      asked += 1
      return { name: 'test', padding: 'x'.repeat(10_000) } as never
    },
  })
  const socket = await flooding(t, path, status.repeat(5_000))
  socket.pause()
  await waitFor('the first answers', () => asked > 5)
  let before = -1
  await waitFor('an end of the answers', async () => {
    if (before === asked) return true
    before = asked
    await new Promise((resolve) => setTimeout(resolve, 50))
    return false
  })
  assert.ok(asked < 500, `${asked} answers for nobody`)
  await answers(path)
})

test('requests whose outcome takes its time are limited in number, and status is not', async (t) => {
  const outcome = deferred<ReloadResult>()
  let reloads = 0
  const { path } = await listening(t, {
    reload: () => {
      reloads += 1
      return outcome.promise
    },
  })
  const sockets = await Promise.all(
    Array.from({ length: 5 }, () =>
      flooding(t, path, Array.from({ length: 16 }, (_, id) => line(asking('reload', id))).join('')),
    ),
  )
  const refused = await within('a refusal', Promise.any(sockets.map(once)))
  assert.match(refused, /"message":"32 requests are already waiting for their outcomes/)
  assert.equal(reloads, 32)
  await answers(path)
  outcome.resolve({ at: '', outcome: 'done', reason: null, durationMs: 1 })
})

test('an idle caller is closed for a new one; a bridge and a waiting caller are not', async (t) => {
  const outcome = deferred<ReloadResult>()
  const { server, path } = await listening(t, { reload: () => outcome.promise })
  const bridge = await ControlClient.connect(path)
  t.after(() => bridge.close())
  await bridge.request('attach', { pid: 11 })
  const waiting = await ControlClient.connect(path)
  const reloaded = waiting.request('reload', {})
  const idle = await Promise.all(Array.from({ length: 100 }, () => flooding(t, path, '')))
  await answers(path)
  await waitFor('room', () => idle.filter((socket) => !socket.destroyed).length <= 40)
  outcome.resolve({ at: '', outcome: 'done', reason: null, durationMs: 1 })
  assert.equal((await reloaded).outcome, 'done')
  waiting.close()
  assert.equal(server.supervisor.pid, 11)
  assert.equal((await bridge.request('status', {})).name, 'test')
})

test('a silent connection is hung up on in the end, and a half line is silence; a bridge is not', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const { server, path } = await listening(t)
  const bridge = await ControlClient.connect(path)
  t.after(() => bridge.close())
  await bridge.request('attach', { pid: 11 })
  const silent = [await flooding(t, path, ''), await flooding(t, path, '{"jsonrpc":')]
  await answers(path)
  const now = performance.now.bind(performance)
  t.mock.method(performance, 'now', () => now() + 29_000)
  t.mock.timers.tick(1_000)
  await answers(path)
  assert.deepEqual(
    silent.map((socket) => socket.destroyed),
    [false, false],
  )
  t.mock.method(performance, 'now', () => now() + 40_000)
  t.mock.timers.tick(1_000)
  await waitFor('the end of both', () => silent.every((socket) => socket.destroyed))
  assert.equal(server.supervisor.pid, 11)
})

test('whatever anybody sends, others are answered, and nothing is left of it', async (t) => {
  const { path } = await listening(t)
  const anyLine = fc.oneof(
    fc.constantFrom(status, '\n', '[]\n', '{', '[[', '"', '\0', '\u{2028}', '{}\n', 'null\n'),
    fc.json().map((json) => `${json}\n`),
    fc
      .record({
        jsonrpc: fc.constant('2.0'),
        method: fc.constantFrom('hello', 'attach', '__proto__', 'constructor'),
        id: fc.jsonValue(),
        params: fc.jsonValue(),
      })
      .map(line),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(anyLine, { maxLength: 30 }), async (lines) => {
      const socket = await rawClient(t, path)
      socket.on('error', () => {})
      socket.end(lines.join(''))
      await within(
        'the end of a connection',
        text(socket).catch(() => ''),
      )
      await answers(path)
    }),
    { numRuns: 50 },
  )
})
