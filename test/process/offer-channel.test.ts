import assert from 'node:assert/strict'
import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { channelOf } from '../../src/ipc/channel-handle.ts'
import { sendOffer } from '../../src/ipc/offer-channel.ts'
import { waitUntilStopped } from '../../src/process/is-stopped.ts'
import { ask } from '../helpers/client.ts'
import { startService } from '../helpers/service.ts'
import { handlePair } from '../unit/support/handles.ts'
import { received } from '../unit/support/socket-pair.ts'

/** Says what it receives, in order, and answers on the socket of an offer. */
const child = new URL('../helpers/offered-child.js', import.meta.url)

test("offers keep their place among Node's messages, however many are read at once", async (t) => {
  const receiver = fork(child)
  t.after(() => receiver.kill('SIGKILL'))
  const said: unknown[] = []
  const isReady = new Promise<void>((resolve) => receiver.once('message', () => resolve()))
  await isReady
  receiver.on('message', (message) => said.push(message))
  receiver.kill('SIGSTOP')
  waitUntilStopped(receiver.pid ?? 0)
  const clients = []
  const expected: unknown[] = []
  const errors: number[] = []
  const preface = 'p'.repeat(20_000)
  for (let id = 1; id <= 5; id += 1) {
    const { handle, client } = await handlePair(t)
    clients.push(client)
    receiver.send({ text: `before ${id}` })
    receiver.send({ text: 'long '.repeat(4_000) })
    sendOffer(channelOf(receiver), [id, 0, preface], handle, (errno) => errors.push(errno))
    expected.push({ text: `before ${id}` }, { text: 'long '.repeat(4_000) }, [id, 0, preface])
  }
  receiver.send('last')
  expected.push('last')
  receiver.kill('SIGCONT')
  while (said.at(-1) !== 'last') await once(receiver, 'message')
  assert.deepEqual(said, expected)
  assert.deepEqual(errors, [0, 0, 0, 0, 0])
  const answers = await Promise.all(clients.map((client) => received(client)))
  assert.deepEqual(answers.map(String), ['1', '2', '3', '4', '5'])
})

test("an app may take away what is used of Node's own parts: they are found before it is loaded", async (t) => {
  const app = `process.binding = undefined
  export default {
    async handle(connection) {
      await connection.write((await connection.readLine()) ?? '')
    },
  }`
  const service = await startService(t, { app, environment: { HELLOSERVER_NATIVE: 'off' } })
  assert.deepEqual(await ask(service.port, 'a\r\n'), { how: 'end', text: 'a\r\n' })
})

test("whoever wants to know what will be deprecated is not told of helloserver's own use", () => {
  const streams = new URL('../../src/ipc/stream-handle.js', import.meta.url)
  const code = `import { needStreams } from '${streams.href}'; needStreams(); console.log(process.noDeprecation)`
  const run = (...flags: string[]) =>
    execFileSync(process.execPath, [...flags, '--input-type=module', '-e', code], {
      encoding: 'utf8',
    })
  assert.equal(run('--pending-deprecation', '--throw-deprecation'), 'false\n')
  assert.equal(run('--no-deprecation'), 'true\n')
})
