import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Status } from '../../src/status.ts'
import { ask, Client } from '../helpers/client.ts'
import { reload } from '../helpers/commands.ts'
import { signalTo } from '../helpers/processes.ts'
import type { Settings } from '../helpers/sandbox.ts'
import { counted, startService, workerPids } from '../helpers/service.ts'
import { held } from '../helpers/upgrade.ts'
import { waitFor } from '../helpers/wait-for.ts'

/** An echo to most; to who asks for more it is one twice, and while its mark is there it sends without end. */
const obedient = `import { existsSync } from 'node:fs'
export default {
  async handle(connection) {
    if (existsSync(recordFile)) return connection.write(Buffer.alloc(64 * 1024 * 1024))
    const line = await connection.readLine()
    if (line.includes('bad')) throw new Error('no such thing')
    await connection.write(line)
    if (line.includes('more')) await connection.write((await connection.readLine()) ?? '')
  },
}`

type Counts = Partial<Status['connections']>

test('clients that misbehave', async (t) => {
  const service = await startService(t, {
    app: obedient,
    config: { connection: { lingerMs: 300 } },
    allow: [/The handler threw.*|no such thing/],
  })
  const { sandbox, port } = service
  const workers = await workerPids(service)

  /** Runs a test that adds to the counts as it says, with nobody in hand at its end, and serves the next one. */
  const adds = (
    what: string,
    more: Counts,
    act: (before: Status['connections']) => Promise<void>,
    next = 'next\r\n',
  ) =>
    t.test(what, async () => {
      const { connections } = await counted(service, { active: 0, queued: 0 })
      await act(connections)
      const expected = { accepted: 1, served: 0, failed: 0, gone: 0, ...more }
      const sum = Object.entries(expected).map(([key, count]) => {
        return [key, connections[key as keyof Counts] + count]
      })
      await counted(service, { ...Object.fromEntries(sum), active: 0, queued: 0 })
      if (next !== '') assert.equal((await ask(port, next)).text, next)
    })

  await adds(
    'a reset while it waits is counted as gone',
    { accepted: 2, served: 1, gone: 1 },
    async () => {
      const holder = await held(service)
      const waiting = await Client.connect(port)
      await waiting.send('never read\r\n')
      await counted(service, { queued: 1 })
      waiting.reset()
      await counted(service, { queued: 0 })
      await holder.send('a\r\n')
      assert.equal((await holder.ending()).text, 'a\r\n')
    },
  )

  /** Without offers, the connection waits until the worker goes on. */
  const { handOff } = await service.status()
  const untaken = handOff === 'portable' ? { active: 1 } : { queued: 1 }

  await adds('a reset between offer and claim is counted as gone', { gone: 1 }, async () => {
    const [worker = 0] = workers
    signalTo(worker, 'SIGSTOP')
    const client = await Client.connect(port)
    await counted(service, untaken)
    client.reset()
    signalTo(worker, 'SIGCONT')
  })

  await adds('a reset before a word was said is counted as gone', { gone: 1 }, async () => {
    const client = await held(service)
    client.reset()
  })

  await adds('a reset after the answer began is counted as failed', { failed: 1 }, async () => {
    const client = await Client.connect(port)
    await client.send('more\r\n')
    await client.receives('more\r\n')
    client.reset()
  })

  await adds('a handler that throws costs its own client only', { failed: 1 }, async () => {
    assert.equal((await ask(port, 'bad\r\n')).text, '')
    await sandbox.logged(/The handler threw/)
  })

  await adds(
    'a client that never ends its side holds no worker, and not for ever',
    { accepted: 2, served: 2 },
    async () => {
      const client = await Client.connect(port, { staysOpen: true })
      await client.send('a\r\n')
      assert.deepEqual(await client.ending(), { how: 'end', text: 'a\r\n' })
      assert.equal((await ask(port, 'b\r\n')).text, 'b\r\n')
      await waitFor('the reset that a closed socket answers with', async () => {
        await client.send('x')
        return client.socket.destroyed
      })
    },
  )

  await t.test('all of that cost no worker', async () => {
    assert.deepEqual(await workerPids(service), workers)
  })

  const configure = async (connection: Settings) => {
    sandbox.configure({ connection })
    await reload(service)
  }

  // Nobody can be sure to be served in times as short as these: the next one comes when they are over.
  await configure({ readTimeoutMs: 200 })
  await adds(
    'a client that sends nothing is given up after the read timeout',
    { failed: 1 },
    async () => {
      assert.equal((await new Client(port).ending()).text, '')
    },
    '',
  )

  await configure({ readTimeoutMs: 60_000, deadlineMs: 500 })
  await adds(
    'a client that trickles is given up at the deadline',
    { failed: 1 },
    async () => {
      const client = await Client.connect(port)
      await waitFor('the end', async () => {
        await client.send('x')
        return client.how
      })
      assert.equal(client.text, '')
    },
    '',
  )

  sandbox.mark()
  await adds(
    'a client that never reads its answer is given up at the deadline',
    { failed: 1 },
    async ({ failed }) => {
      const client = await Client.connect(port, { isPaused: true })
      await counted(service, { failed: failed + 1, active: 0 })
      client.read()
      await client.ending()
      assert.ok(client.bytes.length < 64 * 1024 * 1024)
    },
    '',
  )

  await configure({})
  await adds(
    'a reset in the middle of an answer is counted as failed',
    { failed: 1 },
    async () => {
      const client = await Client.connect(port)
      client.socket.once('data', () => client.socket.pause())
      await waitFor('the first bytes', () => client.bytes.length > 0)
      client.reset()
    },
    '',
  )

  await t.test('a client that comes after all of them is served', async () => {
    sandbox.unmark()
    assert.equal((await ask(port, 'next\r\n')).text, 'next\r\n')
  })
})
