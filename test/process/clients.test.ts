import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ask, Client } from '../helpers/client.ts'
import { signalTo } from '../helpers/processes.ts'
import { counted, startService, workerPids } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

const greeter = `export default {
  async handle(connection) {
    await connection.write('hi\\r\\n')
    await connection.write((await connection.readLine()) ?? '')
  },
}`

const generous = `export default {
  async handle(connection) {
    await connection.write(Buffer.alloc(64 * 1024 * 1024))
  },
}`

describe('clients that misbehave', { concurrency: 2 }, () => {
  test('a client that sends nothing is given up after the read timeout', async (t) => {
    const service = await startService(t, { config: { connection: { readTimeoutMs: 200 } } })
    assert.equal((await new Client(service.port).ending()).text, '')
    await counted(service, { accepted: 1, failed: 1, active: 0 })
    assert.equal((await ask(service.port, 'next\r\n')).text, 'next\r\n')
  })

  test('a client that trickles is given up at the deadline', async (t) => {
    const connection = { readTimeoutMs: 5_000, deadlineMs: 400 }
    const service = await startService(t, { config: { connection } })
    const client = await Client.connect(service.port)
    await waitFor('the end', async () => {
      await client.send('x')
      return client.how
    })
    assert.equal(client.text, '')
    await counted(service, { accepted: 1, failed: 1, active: 0 })
  })

  test('a client that never reads its answer is given up at the deadline', async (t) => {
    const config = { connection: { deadlineMs: 500 } }
    const service = await startService(t, { config, app: generous })
    const client = await Client.connect(service.port, { isPaused: true })
    await counted(service, { accepted: 1, failed: 1, active: 0 })
    client.read()
    await client.ending()
    assert.ok(client.bytes.length < 64 * 1024 * 1024)
  })

  test('a client that never ends its side holds no worker, and not for ever', async (t) => {
    const service = await startService(t, { config: { connection: { lingerMs: 300 } } })
    const client = await Client.connect(service.port, { staysOpen: true })
    await client.send('a\r\n')
    assert.deepEqual(await client.ending(), { how: 'end', text: 'a\r\n' })
    assert.equal((await ask(service.port, 'next\r\n')).text, 'next\r\n')
    await waitFor('the reset that a closed socket answers with', async () => {
      await client.send('x')
      return client.socket.destroyed
    })
  })

  test('a reset while it waits is counted as gone', async (t) => {
    const service = await startService(t)
    const holder = await Client.connect(service.port)
    await counted(service, { active: 1 })
    const waiting = await Client.connect(service.port)
    await waiting.send('never read\r\n')
    await counted(service, { queued: 1 })
    waiting.reset()
    await counted(service, { queued: 0, gone: 1 })
    await holder.send('a\r\n')
    assert.equal((await holder.ending()).text, 'a\r\n')
    await counted(service, { accepted: 2, served: 1, gone: 1, failed: 0 })
  })

  test('a reset between offer and claim is counted as gone', async (t) => {
    const service = await startService(t)
    const [worker = 0] = await workerPids(service)
    signalTo(worker, 'SIGSTOP')
    const client = await Client.connect(service.port)
    await counted(service, { active: 1 })
    client.reset()
    signalTo(worker, 'SIGCONT')
    await counted(service, { accepted: 1, gone: 1, active: 0 })
    assert.equal((await ask(service.port, 'next\r\n')).text, 'next\r\n')
    assert.deepEqual(await workerPids(service), [worker])
  })

  test('a reset before a word was said is counted as gone', async (t) => {
    const service = await startService(t)
    const client = await Client.connect(service.port)
    await counted(service, { active: 1 })
    client.reset()
    await counted(service, { accepted: 1, gone: 1, active: 0 })
    assert.equal((await ask(service.port, 'next\r\n')).text, 'next\r\n')
  })

  test('a reset after the answer began is counted as failed', async (t) => {
    const service = await startService(t, { app: greeter })
    const client = await Client.connect(service.port)
    await client.receives('hi\r\n')
    client.reset()
    await counted(service, { accepted: 1, failed: 1, active: 0 })
    assert.equal((await ask(service.port, 'next\r\n')).text, 'hi\r\nnext\r\n')
  })

  test('a reset in the middle of an answer is counted as failed', async (t) => {
    const service = await startService(t, { app: generous })
    const client = await Client.connect(service.port)
    client.socket.once('data', () => client.socket.pause())
    await waitFor('the first bytes', () => client.bytes.length > 0)
    client.reset()
    await counted(service, { accepted: 1, failed: 1, active: 0 })
  })

  test('a handler that throws costs its own client only', async (t) => {
    const app = `export default {
      async handle(connection) {
        const line = await connection.readLine()
        if (line.includes('bad')) throw new Error('no such thing')
        await connection.write(line)
      },
    }`
    const service = await startService(t, { app, allow: [/The handler threw.*|no such thing/] })
    const before = await workerPids(service)
    assert.equal((await ask(service.port, 'bad\r\n')).text, '')
    await counted(service, { failed: 1, active: 0 })
    assert.equal((await ask(service.port, 'good\r\n')).text, 'good\r\n')
    assert.deepEqual(await workerPids(service), before)
    await service.sandbox.logged(/The handler threw/)
  })
})
