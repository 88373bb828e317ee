import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { ask, Client } from '../helpers/client.ts'
import { reload } from '../helpers/commands.ts'
import type { Settings } from '../helpers/sandbox.ts'
import { counted, startService } from '../helpers/service.ts'
import { waitFor, within } from '../helpers/wait-for.ts'

/** Pieces of 64 KB: 20 MB more than the system takes between two ends, of which one does not read (tcp(7)). */
const pieces = 320 + Math.ceil((mostBytes('tcp_rmem') + mostBytes('tcp_wmem')) / 65_536)

/** Speaks first, and then does what the first line says. */
const framed = `import { appendFileSync } from 'node:fs'
import { Readable, PassThrough } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc')
const pieces = ${pieces}
const piece = () => Buffer.alloc(65536, 'x')

/** Records how many bytes of buffers are in use while a handler runs, again and again. */
async function measured(act) {
  const record = () => {
    collectGarbage()
    appendFileSync(recordFile, process.memoryUsage().arrayBuffers + '\\n')
  }
  record()
  const timer = setInterval(record, 20)
  await act().finally(() => clearInterval(timer))
}

const commands = {
  async frames(connection) {
    const frames = connection.frames({ lengthBytes: 2, maxBytes: 65535 })
    for await (const frame of frames) await frames.write(['got ', frame])
  },
  async told(connection) {
    try {
      await connection.readExactly(10)
    } catch (error) {
      await connection.write(error.code)
    }
  },
  lines: async (connection) => {
    for await (const line of connection) await connection.write(['<', line, '>'])
  },
  stream: (connection) => {
    const stream = connection.stream()
    return pipeline(stream, new PassThrough(), stream)
  },
  awaited: (connection) => measured(async () => {
    for (let count = 0; count < pieces; count += 1) await connection.write(piece())
  }),
  piped: (connection) => measured(() => pipeline(
    Readable.from((function* () { for (let count = 0; count < pieces; count += 1) yield piece() })()),
    connection.stream(),
  )),
  careless: (connection) => measured(async () => {
    let last
    for (let count = 0; count < pieces; count += 1) last = connection.write(piece())
    await last
  }),
}

export default {
  async handle(connection) {
    await connection.write(['220 ready at ', String(connection.local.port), '\\r\\n'])
    const command = await connection.readUntil('\\n')
    if (command !== null) await commands[command.toString().trim()](connection)
  },
}`

const bound = 65_536

function frame(payload: string | Buffer): Buffer {
  const prefix = Buffer.alloc(2)
  prefix.writeUInt16BE(Buffer.byteLength(payload))
  return Buffer.concat([prefix, Buffer.from(payload)])
}

test('framing over a real socket', async (t) => {
  const service = await startService(t, { app: framed, config: { log: { access: true } } })
  const { sandbox, port } = service
  const banner = `220 ready at ${port}\r\n`

  /** Connects a client that waits for the banner before it says its command. */
  const talk = async (command: string, options = {}) => {
    const client = await Client.connect(port, options)
    if (!('isPaused' in options)) await client.receives(banner)
    await client.send(`${command}\n`)
    return client
  }

  const configure = async (connection: Settings) => {
    sandbox.configure({ connection, log: { access: true } })
    await reload(service)
    await waitFor('the new worker alone', async () => {
      const { workers, generation } = await service.status()
      return workers.every((worker) => worker.generation === generation)
    })
  }

  /** Runs a test whose client is counted as failed, for this reason. */
  const fails = (what: string, reason: string, act: () => Promise<void>) =>
    t.test(what, async () => {
      const { connections } = await counted(service, { active: 0 })
      const before = service.log().length
      await act()
      await counted(service, { failed: connections.failed + 1, active: 0 })
      await waitFor('the access line', () =>
        service.log().slice(before).includes(`"reason":"${reason}"`),
      )
    })

  await t.test('the server speaks first, and frames are answered one by one', async () => {
    const client = await talk('frames')
    await client.send(frame('one'))
    await client.receives('got one')
    const rest = Buffer.concat([frame(''), frame('three')])
    for (const byte of rest) await client.send(Buffer.of(byte))
    client.halfClose()
    const answers = ['got one', 'got ', 'got three'].map((payload) =>
      frame(payload).toString('latin1'),
    )
    assert.deepEqual(await client.ending(), { how: 'end', text: banner + answers.join('') })
  })

  await t.test('a client that ends its side in the middle may be told so', async () => {
    const client = await talk('told')
    await client.send('too few')
    client.halfClose()
    assert.deepEqual(await client.ending(), { how: 'end', text: `${banner}ENDED_EARLY` })
  })

  await fails('if it is not, it has failed: ended early', 'ended-early', async () => {
    const client = await talk('frames')
    await client.send(frame('whole').subarray(0, 4))
    client.halfClose()
    assert.equal((await client.ending()).text, banner)
  })

  await fails('a reset in the middle of a frame', 'client-reset', async () => {
    const client = await talk('frames')
    // Seen together, bytes and the reset behind them would be an end to libuv: the answer tells that the bytes are in.
    await client.send(Buffer.concat([frame('a'), frame('whole').subarray(0, 4)]))
    await client.receives('got a')
    client.reset()
  })

  await fails('a reset in the middle of a pipeline', 'client-reset', async () => {
    const client = await talk('stream')
    await client.send('ping')
    await client.receives('ping')
    client.reset()
  })

  await t.test('a pipeline runs both ways at once', async () => {
    const client = await talk('stream')
    const sent = randomBytes(20 * 1_048_576)
    void client.send(sent)
    client.halfClose()
    assert.equal((await client.ending()).how, 'end')
    assert.ok(client.bytes.subarray(banner.length).equals(sent))
  })

  for (const command of ['awaited', 'piped', 'careless'] as const) {
    const isBound = command !== 'careless'
    const what = isBound ? 'a slow reader keeps little in memory' : 'without waiting, all of it'
    await t.test(`${what}, of a large answer: ${command}`, async () => {
      // The handler before writes into the same record until it has heard of its end.
      await counted(service, { active: 0 })
      sandbox.mark()
      const client = await talk(command, { isPaused: true })
      // The system has taken what it can: the worker has been waiting for many looks.
      const samples = () => sandbox.record.trim().split('\n').map(Number)
      await waitFor('the worker to wait', () => samples().length > 20)
      const [before = 0, ...during] = samples()
      const grown = during.slice(10).map((inUse) => inUse - before)
      if (isBound) assert.ok(Math.max(...grown) < 4 * bound, `${Math.max(...grown)} bytes`)
      else assert.ok(Math.min(...grown) > 40 * bound, `${Math.min(...grown)} bytes`)
      client.read()
      assert.equal((await client.ending()).how, 'end')
      assert.equal(client.bytes.length, banner.length + pieces * bound)
      sandbox.unmark()
    })
  }

  await t.test('a reload applies lineEnding and keepAliveMs', async () => {
    for (const [lineEnding, answer] of [
      ['crlf', '<a\nb\rc\r\n>'],
      ['lf', '<a\n><b\rc\r\n>'],
      ['any', '<a\n><b\r><c\r\n>'],
    ] as const) {
      await configure({ lineEnding, keepAliveMs: lineEnding === 'any' ? 7_200_000 : 0 })
      const client = await talk('lines')
      await client.send('a\nb\rc\r\n')
      await client.receives(banner + answer)
      // Until the answer is acknowledged, the timer is that of retransmission.
      const timer = await waitFor('an idle connection', () => {
        const running = timerOf(port, client)
        return running === '01' ? undefined : running
      })
      assert.equal(timer, lineEnding === 'any' ? '02' : '00')
      client.halfClose()
      await client.ending()
    }
  })

  await configure({ readTimeoutMs: 300 })
  await fails('a client that stalls in the middle of a frame', 'read-timeout', async () => {
    const client = await talk('frames')
    await client.send(frame('whole').subarray(0, 4))
    await client.ending()
  })
  await fails('a client that stalls in a pipeline', 'read-timeout', async () => {
    const client = await talk('stream')
    await client.send('ping')
    await client.receives('ping')
    await client.ending()
  })

  await configure({ deadlineMs: 1_000 })
  await fails('the deadline in a pipeline, while bytes run both ways', 'deadline', async () => {
    const client = await talk('stream')
    await waitFor('the end', async () => {
      await client.send('ping')
      return client.how
    })
  })

  await configure({})
  await t.test('TERM ends a pipeline', async () => {
    const client = await talk('stream')
    await client.send('ping')
    await client.receives('ping')
    service.signal('SIGTERM')
    await client.ending()
    await sandbox.assertNothingLeft()
    assert.match(service.log(), /"reason":"terminated"/)
  })
})

/** How much the system may buffer at one end of a connection. */
function mostBytes(buffer: 'tcp_rmem' | 'tcp_wmem'): number {
  const [, , most] = readFileSync(`/proc/sys/net/ipv4/${buffer}`, 'utf8').split(/\s+/)
  return Number(most)
}

/** The timer of the service's end of a connection: 00 none, 01 retransmission, 02 keep-alive (proc_net_tcp, "tr"). */
function timerOf(port: number, client: Client): string | undefined {
  const hex = (number: number) => number.toString(16).toUpperCase().padStart(4, '0')
  const own = `0100007F:${hex(port)} 0100007F:${hex(client.socket.localPort ?? 0)}`
  const line = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .find((entry) => entry.includes(own))
  return /^\s*\d+: \S+ \S+ \S+ \S+ (\d\d):/.exec(line ?? assert.fail('No such connection'))?.[1]
}

/** An HTTP server, which wants sockets, behind a service that hands it connections one by one. */
const web = `import { once } from 'node:events'
import { createServer } from 'node:http'

const server = createServer(async (request, response) => {
  let bytes = 0
  for await (const chunk of request) bytes += chunk.length
  response.end(JSON.stringify({ bytes, from: request.socket.remotePort, to: request.socket.localPort }))
})

export default {
  async handle(connection) {
    const stream = connection.stream()
    server.emit('connection', stream)
    await once(stream, 'close')
  },
}`

test('a library that wants a socket has one in the stream', async (t) => {
  const service = await startService(t, { app: web })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.after(() => agent.destroy())

  /** The answer to a request with a body of so many bytes. */
  const post = async (bytes: number, headers = {}) => {
    const answer = await within(
      'an answer',
      new Promise<string>((resolve, reject) => {
        const options = { port: service.port, host: '127.0.0.1', agent, method: 'POST', headers }
        const sending = request(options, (response) => {
          text(response).then(resolve, reject)
        })
        sending.on('error', reject)
        sending.end(Buffer.alloc(bytes))
      }),
    )
    return JSON.parse(answer) as { bytes: number; from: number; to: number }
  }

  const first = await post(3)
  assert.deepEqual([first.bytes, first.to], [3, service.port])
  // On the same connection, which is kept alive.
  assert.deepEqual(await post(5_000_000), { ...first, bytes: 5_000_000 })
  await counted(service, { active: 1, accepted: 1 })
  assert.deepEqual(await post(0, { connection: 'close' }), { ...first, bytes: 0 })
  await counted(service, { active: 0, served: 1 })
  const last = await ask(service.port, 'GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n')
  assert.match(last.text, /^HTTP\/1.1 200 OK\r\n/)
  await counted(service, { active: 0, served: 2 })
})
