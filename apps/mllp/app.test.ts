import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type TestApp, type TestClient, testApp } from 'helloserver/testing'
import mllp from './app.ts'

/** The app on a folder of the test's own, with these settings. */
async function started(t: TestContext, settings: object = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'mllp-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const app = await testApp(mllp, { directory, settings: { folder: 'in', ...settings } })
  const folder = join(directory, 'in')
  const files = () => readdirSync(folder).filter((name) => name.endsWith('.hl7'))
  return { app, folder, files }
}

const message = (id: string, text = 'X') =>
  `MSH|^~\\&|LAB|NORTH|EMR|SOUTH|20260101||ADT^A01|${id}|P|2.5.1\rPID|1||${text}\r`

const framed = (text: string) => Buffer.from(`\x0b${text}\x1c\r`, 'latin1')

/** The next acknowledgement, as its fields by segment. */
async function acknowledged(client: TestClient) {
  let frame = ''
  while (!frame.endsWith('\x1c\r')) {
    const part = await client.read()
    assert.ok(part !== null, `The answer ended after "${frame}"`)
    frame += String(part)
  }
  assert.equal(frame[0], '\x0b')
  const [header = [], outcome = []] = frame
    .slice(1, -2)
    .split('\r')
    .map((segment) => segment.split('|'))
  return { header, outcome }
}

async function codeFor(app: TestApp, text: string): Promise<(string | undefined)[]> {
  const client = app.connect()
  await client.write(framed(text))
  const { outcome } = await acknowledged(client)
  await client.end()
  assert.equal((await client.outcome).outcome, 'served')
  return outcome.slice(1)
}

test('a message is stored as it came, and acknowledged to its sender', async (t) => {
  const { app, folder, files } = await started(t)
  const client = app.connect()
  const text = message('A1', 'M\xfcller')
  await client.write(framed(text))
  const { header, outcome } = await acknowledged(client)
  assert.deepEqual(header.slice(2, 6), ['EMR', 'SOUTH', 'LAB', 'NORTH'])
  assert.equal(header[8], 'ACK^A01')
  assert.deepEqual(outcome, ['MSA', 'AA', 'A1'])
  const [file = ''] = files()
  assert.match(file, /^A1-[0-9a-f]{16}\.hl7$/)
  assert.deepEqual(readFileSync(join(folder, file)), Buffer.from(text, 'latin1'))
  await client.write(framed(message('A2')))
  assert.deepEqual((await acknowledged(client)).outcome, ['MSA', 'AA', 'A2'])
  await client.end()
  assert.equal(files().length, 2)
  await app.close()
})

test('a message that comes again is acknowledged again, and stored once, even when it was processed', async (t) => {
  const { app, folder, files } = await started(t)
  for (let time = 0; time < 2; time += 1)
    assert.deepEqual(await codeFor(app, message('A1')), ['AA', 'A1'])
  const [file = ''] = files()
  renameSync(join(folder, file), join(folder, 'done', file))
  assert.deepEqual(await codeFor(app, message('A1')), ['AA', 'A1'])
  assert.deepEqual(files(), [])
  const other = await codeFor(app, message('A1', 'other'))
  assert.deepEqual(other, ['AE', 'A1', 'Another message with this id was received before'])
  await app.close()
})

test('a message that cannot be accepted is refused with the reason, and not stored', async (t) => {
  const { app, files } = await started(t, { maxFiles: 1, maxMessageBytes: 200 })
  assert.deepEqual(await codeFor(app, 'hello'), ['AR', '', 'The message has no MSH segment'])
  assert.match((await codeFor(app, message(''))).join(), /^AE,,MSH-10.* is missing$/)
  assert.match((await codeFor(app, message('A').replace('2.5.1', '3'))).join(), /^AE,A,MSH-12/)
  const long = await codeFor(app, message('A', 'x'.repeat(200)))
  assert.deepEqual(long, ['AE', 'A', 'The message has more than 200 bytes'])
  assert.deepEqual(files(), [])
  assert.deepEqual(await codeFor(app, message('B')), ['AA', 'B'])
  const full = ['AR', 'C', 'Too many messages wait to be processed']
  assert.deepEqual(await codeFor(app, message('C')), full)
  await app.close()
})

test('a sender that breaks off, or does not speak MLLP, is answered nothing', async (t) => {
  const { app, files } = await started(t)
  const cut = app.connect()
  await cut.write(framed(message('A1')).subarray(0, 40))
  await cut.end()
  assert.equal((await cut.outcome).reason, 'ended-early')
  const foreign = app.connect()
  await foreign.write('GET / HTTP/1.0\r\n\r\n')
  assert.equal((await foreign.outcome).reason, 'handler-error')
  assert.deepEqual(files(), [])
  await app.close()
})

test('the rest of a message that a dead process has left is removed, but not that of another host', async (t) => {
  const { app, folder } = await started(t)
  const { pid } = spawnSync('true')
  const dead = `.incoming-${hostname()}-${pid}`
  const living = `.incoming-${hostname()}-${process.pid}`
  const others = `.incoming-another-${pid}`
  for (const name of [dead, living, others]) writeFileSync(join(folder, name), 'MSH|')
  const again = await testApp(mllp, { directory: dirname(folder), settings: { folder: 'in' } })
  const left = readdirSync(folder).filter((name) => name.startsWith('.'))
  assert.deepEqual(new Set(left), new Set([others, living]))
  await again.close()
  await app.close()
})

test('a mistake in the settings fails the setup', async () => {
  await assert.rejects(testApp(mllp), /app\.folder is undefined; it must be the path of a folder/)
  const settings = { folder: 'x', maxFiles: 0 }
  await assert.rejects(
    testApp(mllp, { settings }),
    /app\.maxFiles is 0; it must be an integer from 1/,
  )
})
