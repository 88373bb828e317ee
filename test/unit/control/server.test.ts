import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { ControlClient } from '../../../src/control/client.ts'
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
    reload: async (cause, environment) => {
      asked.push(cause, environment)
      return { at: '', outcome: 'failed', reason: 'no', durationMs: 2 }
    },
  })
  assert.equal((await client.request('status', {})).name, 'test')
  assert.deepEqual(await client.request('scale', { workers: 3 }), { workers: 3 })
  const result = await client.request('reload', { environment: { HELLOSERVER_PORT: '1' } })
  assert.equal(result.reason, 'no')
  assert.deepEqual(asked, [3, 'a reload command', { HELLOSERVER_PORT: '1' }])
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
  const stopped = assert.rejects(impatient.request('stop', {}), { code: 'CONTROL_FAILED' })
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
  server.close(path)
  assert.equal(existsSync(path), false)
  await server.farewell()
  await client.closed
  await assert.rejects(ControlClient.connect(path), { code: 'NOT_RUNNING' })
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
