import assert from 'node:assert/strict'
import { readdirSync, readFileSync, renameSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import type { Message } from 'node-hl7-client'
import { Authority } from '../helpers/certificates.ts'
import { upgrade } from '../helpers/commands.ts'
import { freePort } from '../helpers/free-port.ts'
import { Haproxy } from '../helpers/haproxy.ts'
import { Hl7Sender, message } from '../helpers/hl7-sender.ts'
import { signalTo } from '../helpers/processes.ts'
import { Sandbox } from '../helpers/sandbox.ts'
import { counted, type Service, startIn } from '../helpers/service.ts'
import { systemCalls } from '../helpers/strace.ts'
import { waitFor } from '../helpers/wait-for.ts'

const { href: app } = new URL('../../apps/mllp/app.js', import.meta.url)

const settings = {
  workers: 2,
  log: { access: true },
  app: { folder: 'messages', maxMessageBytes: 1_000_000 },
}

/** The text of a message that takes a while to store. */
const long = 'x'.repeat(300_000)

const tracedCalls = ['write', 'pwrite64', 'writev', 'sendto', 'sendmsg', 'fsync', 'link', 'linkat']

/** Calls for the message "traced"; each must have returned before the next one begins. */
const inOrder: readonly (readonly [string, RegExp])[] = [
  ['the writing of its file', /^p?write(64)?\(\d+<[^>]*\/\.incoming-/],
  ['the fsync of its file', /^fsync\(\d+<[^>]*\/\.incoming-/],
  ['the naming of its file', /^link(at)?\(.*\/traced-/],
  ['the fsync of the folder', /^fsync\(\d+<[^>]*\/messages>/],
  ['its acknowledgement', /^(write|writev|sendto|sendmsg)\(.*MSA\|AA\|traced/],
]

/** How many workers are killed, one after the other. */
const kills = 8

test('the gateway with a real sender', async (t) => {
  const sandbox = new Sandbox(t, { app: `export { default } from '${app}'\n`, config: settings })
  const service = await startIn(sandbox)
  const folder = join(dirname(sandbox.configFile), 'messages')
  const files = () => readdirSync(folder).filter((name) => name.endsWith('.hl7'))
  const storedAs = (id: string) => files().filter((name) => name.startsWith(`${id}-`))
  const assertStored = (id: string, one: Message) => {
    const texts = storedAs(id).map((name) => readFileSync(join(folder, name), 'utf8'))
    assert.deepEqual(texts, [one.toString()])
  }

  await t.test('a message is on disk, whole and named, before its acknowledgement', async () => {
    const sender = new Hl7Sender(service.port)
    await sender.send(message('first'))
    const one = message('traced', long)
    const [worker = 0] = await busyWorkers(service)
    const calls = await systemCalls(t, worker, tracedCalls, () => sender.send(one))
    await sender.close()
    assertStored('traced', one)
    let since = -1
    for (const [what, pattern] of inOrder) {
      const found = calls.find(({ call, beganAt }) => beganAt > since && pattern.test(call))
      assert.ok(found, `${what} is not in its place among\n${calls.map(shown).join('\n')}`)
      since = found.endedAt
    }
  })

  await t.test('a message that comes again is acknowledged, and stored once', async () => {
    const sender = new Hl7Sender(service.port)
    const one = message('again')
    for (let time = 0; time < 2; time += 1) {
      const { code, id, receiver } = await sender.send(one)
      assert.deepEqual([code, id, receiver], ['AA', 'again', 'LAB'])
    }
    assertStored('again', one)
    for (const name of storedAs('again')) {
      renameSync(join(folder, name), join(folder, 'done', name))
    }
    assert.equal((await sender.send(one)).code, 'AA')
    assert.deepEqual(storedAs('again'), [])
    await sender.close()
  })

  await t.test('a message that is wrong is refused with the reason, and not stored', async () => {
    const sender = new Hl7Sender(service.port)
    const before = files()
    const old = message('old')
    old.set('MSH.12', '3.0')
    for (const [one, code, reason] of [
      [message(''), 'AE', /^MSH-10/],
      [old, 'AE', /^MSH-12/],
      [message('again', 'other'), 'AE', /^Another message/],
      [{ toString: () => 'PID|1' }, 'AR', /no MSH/],
      [message('huge', 'x'.repeat(1_000_000)), 'AE', /more than 1000000 bytes/],
    ] as const) {
      const answer = await sender.send(one as Message)
      assert.equal(answer.code, code)
      assert.match(answer.reason, reason)
    }
    assert.deepEqual(files(), before)
    assert.equal((await sender.send(message('right'))).code, 'AA')
    await sender.close()
  })

  await t.test('a worker has one sender at a time, and the others wait', async () => {
    const connected = [new Hl7Sender(service.port), new Hl7Sender(service.port)]
    for (const sender of connected) await sender.send(message('waiting'))
    const third = new Hl7Sender(service.port)
    const answered = third.send(message('third'))
    await counted(service, { active: 2, queued: 1 })
    for (const sender of connected) await sender.send(message('still'))
    assert.deepEqual(storedAs('third'), [])
    await connected[0]?.close()
    assert.equal((await answered).code, 'AA')
    for (const sender of [...connected, third]) await sender.close()
  })

  await t.test(
    'workers that are killed while they store cost no acknowledged message',
    async () => {
      const acknowledged = new Map<string, Message>()
      const load = new AbortController()
      const senders = [1, 2].map(async (number) => {
        const sender = new Hl7Sender(service.port)
        for (let count = 1; !load.signal.aborted; count += 1) {
          const id = `load${number}_${count}`
          const one = message(id, `${long}${id}`)
          assert.equal((await sender.send(one)).code, 'AA')
          acknowledged.set(id, one)
        }
        await sender.close()
      })
      const sent = Promise.all(senders)
      const killing = (async () => {
        for (let kill = 1; kill <= kills; kill += 1) {
          const enough = acknowledged.size + 3
          await waitFor('acknowledgements', () => acknowledged.size >= enough)
          const [worker] = await waitFor('a busy worker', () => busyWorkers(service))
          if (worker !== undefined) signalTo(worker, 'SIGKILL')
        }
        load.abort()
      })()
      await Promise.race([killing, sent])
      await sent
      const lost = sandbox.log().match(/Connection lost with its worker/g) ?? []
      assert.ok(lost.length >= kills / 2, `only ${lost.length} workers were killed in the middle`)
      for (const [id, one] of acknowledged) assertStored(id, one)
      assert.equal(files().filter((name) => name.startsWith('load')).length, acknowledged.size)
    },
  )

  await t.test('TLS with client certificates, and behind HAProxy', async () => {
    const authority = new Authority(t)
    const { cert, key } = authority.sign('gateway', ['IP:127.0.0.1'])
    const device = { ca: readFileSync(authority.ca), ...authority.sign('device').pem }
    const tls = { cert, key, ca: authority.ca, clientCert: 'require' }
    sandbox.configure({
      ...settings,
      listen: [
        { address: '127.0.0.1:0', tls },
        { address: '127.0.0.2:0', tls, proxyProtocol: true },
      ],
    })
    await upgrade(service)
    const { endpoints = [] } = await service.status()
    const [direct = 0] = endpoints.map((endpoint) => Number(endpoint.split(':')[1]))

    const stranger = new Hl7Sender(direct, { tls: { ca: device.ca } })
    assert.equal(await stranger.attempt(message('stranger')), undefined)
    await sandbox.logged(/"kind":"access".*"reason":"tls-failed"/)
    assert.deepEqual(storedAs('stranger'), [])

    const port = await freePort()
    await Haproxy.start(
      t,
      `listen gateway\n  bind 127.0.0.1:${port}\n  server one ${endpoints[1]} send-proxy-v2`,
    )
    for (const [id, at, localAddress] of [
      ['secure', direct, '127.0.0.3'],
      ['proxied', port, '127.0.0.4'],
    ] as const) {
      const socket = { port: at, localAddress }
      const sender = new Hl7Sender(at, { tls: device, socket })
      const one = message(id, long)
      assert.equal((await sender.send(one)).code, 'AA')
      assert.equal((await sender.send(one)).code, 'AA')
      await sender.close()
      assertStored(id, one)
      await sandbox.logged(new RegExp(`"kind":"access".*"peer":"${localAddress}:.*"served"`))
    }
  })
})

async function busyWorkers(service: Service): Promise<number[]> {
  const { workers } = await service.status()
  return workers.flatMap(({ state, pid }) => (state === 'busy' && pid !== null ? [pid] : []))
}

const shown = ({ call }: { call: string }) => call.slice(0, 200)
