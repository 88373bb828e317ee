import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type App, defineApp, LineTooLongError } from '../../../src/index.ts'
import { type TestApp, type TestAppOptions, testApp } from '../../../src/testing.ts'

const echo = defineApp({
  async handle(connection) {
    for await (const line of connection) await connection.write(line)
  },
})

async function started<Settings>(
  t: TestContext,
  app: App<Settings>,
  options: TestAppOptions<Settings> = {},
): Promise<TestApp> {
  const kit = await testApp(app, options)
  t.after(() => kit.close())
  return kit
}

/** What a handler has read, one entry for each `read`. */
async function reads(t: TestContext, send: (client: ReturnType<TestApp['connect']>) => unknown) {
  const seen: string[] = []
  const app = await started(t, {
    async handle(connection) {
      for (let part = await connection.read(); part !== null; part = await connection.read())
        seen.push(String(part))
    },
  })
  const client = app.connect()
  await send(client)
  assert.equal((await client.outcome).outcome, 'served')
  return seen
}

test('a client sends lines, reads the answers and sees how it ended', async (t) => {
  const app = await started(t, echo)
  const client = app.connect()
  await client.write('one\r\ntwo\r\n')
  assert.equal(String(await client.readLine()), 'one\r\n')
  await client.write(new Uint8Array([0, 0xff, 0x0d, 0x0a]))
  assert.equal(String(await client.readLine()), 'two\r\n')
  assert.deepEqual(await client.readLine(), Buffer.from([0, 0xff, 0x0d, 0x0a]))
  await client.end()
  assert.equal(await client.readLine(), null)
  const ending = { outcome: 'served', reason: null, error: undefined, bytesIn: 14, bytesOut: 14 }
  assert.deepEqual(await client.outcome, ending)
})

test('what is sent at once arrives at once, and pieces arrive as pieces', async (t) => {
  const whole = await reads(t, async (client) => {
    await client.write('abcde')
    await client.end()
  })
  assert.deepEqual(whole, ['abcde'])
  const pieces = await reads(t, async (client) => {
    await client.write('abcde', { pieceBytes: 2 })
    await client.end()
  })
  assert.deepEqual(pieces, ['ab', 'cd', 'e'])
})

test('unawaited writes keep their order, and an end is behind them', async (t) => {
  const seen = await reads(t, (client) => {
    void client.write('a')
    void client.write('b')
    return client.end()
  })
  assert.deepEqual(seen, ['a', 'b'])
})

test('the handler sees the client, the settings, the lease and the folder', async (t) => {
  const seen: unknown[] = []
  const app = await started<{ greeting: string }>(
    t,
    {
      setup: ({ settings, service, directory, lease }) => {
        seen.push(settings.greeting, service, directory, lease)
      },
      handle: ({ remote, id }, { lease }) => void seen.push({ ...remote }, id, lease),
    },
    {
      settings: { greeting: 'Hello' },
      service: 'greeter',
      directory: '/srv/greeter',
      lease: { token: 7, slot: 1 },
    },
  )
  await app.connect({ remote: { address: '192.0.2.7', port: 7 } }).outcome
  app.hold({ token: 8, slot: 1 })
  await app.connect({ remote: { port: 8 } }).outcome
  app.hold(null)
  await app.connect().outcome
  assert.deepEqual(seen.slice(0, 4), ['Hello', 'greeter', '/srv/greeter', null])
  assert.deepEqual(seen.slice(4, 7), [{ address: '192.0.2.7', port: 7 }, 1, { token: 7, slot: 1 }])
  assert.deepEqual(seen.slice(7, 10), [{ address: '127.0.0.1', port: 8 }, 2, { token: 8, slot: 1 }])
  assert.equal(seen.at(-1), null)
})

test('the handler sees what a PROXY header and TLS tell of the client', async (t) => {
  const seen: unknown[] = []
  const app = await started(t, {
    handle: ({ remote, local, proxy, tls }) =>
      void seen.push([remote, local, proxy?.version, tls?.serverName, tls?.isVerified]),
  })
  const source = { address: '192.0.2.1', port: 5555 }
  const remote = { address: '10.0.0.1', port: 40_000 }
  const own = { address: '127.0.0.1', port: 30_153 }
  await app.connect({ remote, proxy: { source } }).outcome
  await app.connect({ remote, tls: { serverName: 'a.example' } }).outcome
  assert.deepEqual(seen, [
    [source, own, 2, undefined, undefined],
    [remote, own, undefined, 'a.example', false],
  ])
})

test('a handler may look at what begins TLS, and TLS may come in pieces with what follows', async (t) => {
  const app = await started(t, {
    async handle(connection) {
      const [first] = (await connection.peek(1)) ?? []
      if (first === 0x16) await connection.startTls()
      const line = await connection.readLine()
      await connection.write(`${connection.tls?.protocol}: ${String(line)}`)
    },
  })
  for (const protocol of ['TLSv1.3', 'TLSv1.2']) {
    const client = app.connect()
    void client.startTls({ protocol })
    await client.write('hello\r\n', { pieceBytes: 3 })
    assert.equal(String(await client.readAll()), `${protocol}: hello\r\n`)
    const { bytesIn, bytesOut } = await client.outcome
    assert.deepEqual([bytesIn, bytesOut], [7, 16])
  }
})

test('a client whose handler does not begin TLS is told so', async (t) => {
  const app = await started(t, { handle: () => {} })
  const client = app.connect()
  const begun = client.startTls()
  await client.outcome
  await assert.rejects(begun, /The connection ended before TLS began/)
  await assert.rejects(client.startTls(), /The connection ended before TLS began/)
})

test('one connection at a time: the next waits, with what it has sent', async (t) => {
  const app = await started(t, echo)
  const first = app.connect()
  const second = app.connect()
  await second.write('second\r\n')
  await first.write('first\r\n')
  assert.equal(String(await first.readLine()), 'first\r\n')
  let isAnswered = false
  const answer = second.readLine().then((line) => {
    isAnswered = true
    return line
  })
  await app.clock.advance(10_000)
  assert.equal(isAnswered, false)
  await first.end()
  assert.equal(String(await answer), 'second\r\n')
})

test('read timeout and deadline take effect as the clock is advanced, and no earlier', async (t) => {
  const limits = { connection: { readTimeoutMs: 1_000, deadlineMs: 1_500 } }
  const app = await started(t, echo, limits)
  const mute = app.connect()
  await app.clock.advance(999)
  assert.equal(mute.isOpen, true)
  await app.clock.advance(1)
  const { outcome, reason, error } = await mute.outcome
  assert.deepEqual([outcome, reason], ['failed', 'read-timeout'])
  assert.equal((error as { code?: string }).code, 'READ_TIMEOUT')

  const slow = app.connect()
  for (let count = 0; count < 2; count += 1) {
    await app.clock.advance(700)
    await slow.write('x\r\n')
  }
  await app.clock.advance(99)
  assert.equal(slow.isOpen, true)
  await app.clock.advance(1)
  assert.equal((await slow.outcome).reason, 'deadline')
})

test('a deadline aborts the signal that a handler watches', async (t) => {
  const app = await started(t, {
    handle: ({ signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error))
      }),
  })
  const client = app.connect()
  await app.clock.advance(60_000)
  assert.equal((await client.outcome).reason, 'deadline')
  assert.equal(await client.read(), null)
})

test('TERM, a lost lease and a reset abort the connection, each with its reason', async (t) => {
  const app = await started(t, echo, { lease: { token: 1, slot: 1 } })
  const terminated = app.connect()
  await app.terminate()
  assert.equal((await terminated.outcome).reason, 'terminated')

  const lost = app.connect()
  await app.loseLease(500)
  await app.clock.advance(499)
  assert.equal(lost.isOpen, true)
  await app.clock.advance(1)
  assert.equal((await lost.outcome).reason, 'lease-lost')

  const gone = app.connect()
  await gone.reset()
  assert.deepEqual(await gone.outcome.then(({ outcome, reason }) => [outcome, reason]), [
    'gone',
    null,
  ])

  const reset = app.connect()
  await reset.write('x')
  await reset.reset()
  assert.equal((await reset.outcome).reason, 'client-reset')
  await assert.rejects(reset.read(), { code: 'ECONNRESET' })
})

test('limits are those of a configuration', async (t) => {
  const app = await started(
    t,
    {
      async handle(connection) {
        try {
          await connection.readLine()
        } catch (error) {
          if (!(error instanceof LineTooLongError)) throw error
          await connection.write(`over ${error.limitBytes}`)
        }
      },
    },
    { connection: { maxLineBytes: 16 } },
  )
  const client = app.connect()
  await client.write('x'.repeat(16))
  assert.equal(String(await client.readAll()), 'over 16')
  await assert.rejects(testApp(echo, { connection: { maxLineBytes: 1 } }), {
    code: 'BAD_CONFIG',
    message: 'Bad options: connection.maxLineBytes: an integer from 2 to 16777216',
  })
})

test('a handler that throws shows its error, and ends only its own connection', async (t) => {
  const oops = new Error('oops')
  const app = await started(t, {
    async handle(connection) {
      if (String(await connection.readLine()) === 'throw\r\n') throw oops
      await connection.write('fine')
    },
  })
  const bad = app.connect()
  await bad.write('throw\r\n')
  const { outcome, reason, error } = await bad.outcome
  assert.deepEqual([outcome, reason, error], ['failed', 'handler-error', oops])
  assert.equal(await bad.read(), null)
  const logged = app.log.find(({ msg }) => msg === 'The handler threw')
  assert.equal(logged?.level, 'error')
  const good = app.connect()
  await good.write('x\r\n')
  assert.equal(String(await good.readAll()), 'fine')
})

test('an error that no test asks for fails the close', async () => {
  const oops = new Error('oops')
  const handle = () => {
    throw oops
  }
  const one = await testApp({ handle })
  await one.connect().read()
  await assert.rejects(one.close(), oops)
  const two = await testApp({ handle })
  await Promise.all([two.connect().read(), two.connect().read()])
  await assert.rejects(two.close(), (error) => error instanceof AggregateError)
  const seen = await testApp({ handle })
  await seen.connect().outcome
  await seen.close()
})

test('setup and teardown run once, and what setup throws is thrown', async () => {
  const calls: string[] = []
  const app = await testApp({
    setup: () => void calls.push('setup'),
    handle: () => void calls.push('handle'),
    teardown: () => void calls.push('teardown'),
  })
  await app.connect().outcome
  await Promise.all([app.close(), app[Symbol.asyncDispose]()])
  assert.deepEqual(calls, ['setup', 'handle', 'teardown'])
  assert.throws(() => app.connect(), /The app is closed/)
  const failing = {
    setup: () => {
      throw new Error('no database')
    },
    handle: () => {},
  }
  await assert.rejects(testApp(failing), /^Error: no database$/)
})

test('a close ends what has not ended, and tears down after it', async () => {
  const calls: string[] = []
  const app = await testApp({
    async handle(connection) {
      await connection.read().catch((error: { code: string }) => calls.push(error.code))
      throw connection.signal.reason
    },
    teardown: () => void calls.push('teardown'),
  })
  const active = app.connect()
  const waiting = app.connect()
  await app.close()
  assert.deepEqual(calls, ['TERMINATED', 'teardown'])
  assert.equal((await active.outcome).reason, 'terminated')
  assert.equal((await waiting.outcome).reason, 'terminated')
})

test('a handler that never settles fails the close instead of hanging it', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const app = await testApp({ handle: () => new Promise(() => {}) })
  const client = app.connect()
  await client.write('x')
  await assert.rejects(app.close(), {
    code: 'APP_FAILED',
    message: /^The handler of connection 1 has not settled within 2000 ms/,
  })
})

test('writes wait for a client that does not read, until its deadline', async (t) => {
  const written: number[] = []
  const app = await started(t, {
    async handle(connection) {
      for (let count = 1; count <= 3; count += 1) {
        await connection.write('x'.repeat(100))
        written.push(count)
      }
    },
  })
  const reading = app.connect({ maxUnreadBytes: 150 })
  await app.clock.advance(0)
  assert.deepEqual(written, [1])
  assert.equal((await reading.read())?.length, 200)
  await app.clock.advance(0)
  assert.deepEqual(written, [1, 2, 3])
  assert.equal((await reading.readAll()).length, 100)
  assert.equal((await reading.outcome).bytesOut, 300)

  const stuck = app.connect({ maxUnreadBytes: 10 })
  await app.clock.advance(60_000)
  const { outcome, reason } = await stuck.outcome
  assert.deepEqual([outcome, reason], ['failed', 'deadline'])
})

test('input that a handler does not read does not disturb its answer', async (t) => {
  const app = await started(t, {
    async handle(connection) {
      await connection.readLine()
      await connection.write('bye')
    },
  })
  const client = app.connect()
  await client.write(`x\r\n${'y'.repeat(1_000_000)}`)
  await client.write('more')
  assert.equal(String(await client.readAll()), 'bye')
})

test('a line may be longer than what the client takes at once', async (t) => {
  const app = await started(t, {
    handle: (connection) => connection.write(`${'x'.repeat(99)}\r\n`),
  })
  const client = app.connect({ maxUnreadBytes: 10 })
  assert.equal((await client.readLine())?.length, 101)
})

test('the client refuses to send after its end, and two reads at a time', async (t) => {
  const app = await started(t, echo)
  const client = app.connect()
  const line = client.readLine()
  await assert.rejects(client.readLine(), /Another read/)
  await client.end()
  assert.equal(await line, null)
  await assert.rejects(client.write('x'), /has ended its side/)
  await assert.rejects(client.end(), /has ended its side/)
  const reset = app.connect()
  await reset.reset()
  await reset.reset()
  await assert.rejects(reset.write('x'), /has reset the connection/)
})

test('what is no app, time that goes backwards, and less than a byte are refused', async (t) => {
  for (const wrong of [{}, { handle: 'no function' }, null, undefined]) {
    await assert.rejects(testApp(wrong as unknown as App), {
      name: 'TypeError',
      message: 'The app has no handle function',
    })
  }
  for (const hook of ['setup', 'teardown']) {
    await assert.rejects(testApp({ ...echo, [hook]: 'no function' }), {
      name: 'TypeError',
      message: `The app has a "${hook}" that is not a function`,
    })
  }
  const app = await started(t, echo)
  for (const wrong of [-1, Number.NaN, Number.POSITIVE_INFINITY, '5' as unknown as number]) {
    await assert.rejects(app.clock.advance(wrong), {
      name: 'RangeError',
      message: /it must be a number from 0$/,
    })
  }
  for (const wrong of [0, -1, Number.NaN, '5' as unknown as number]) {
    const problem = (option: string) => ({
      name: 'RangeError',
      message: `${option} is ${wrong}; it must be a number from 1`,
    })
    await assert.rejects(app.connect().write('x', { pieceBytes: wrong }), problem('pieceBytes'))
    assert.throws(() => app.connect({ maxUnreadBytes: wrong }), problem('maxUnreadBytes'))
  }
})
