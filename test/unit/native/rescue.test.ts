import assert from 'node:assert/strict'
import { closeSync, fstatSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { Ledger, ledgerBytes, readLedger } from '../../../src/connections/ledger.ts'
import { writtenClient } from '../../../src/connections/written-address.ts'
import { type BoundListener, listeningHandle } from '../../../src/ipc/socket-handle.ts'
import { errnos, type NativeModule, type Received, seals } from '../../../src/native/native.ts'
import { Legacy, readLegacy } from '../../../src/rescue/legacy.ts'
import { RescueChannel } from '../../../src/rescue/rescue-channel.ts'
import { waitFor } from '../../helpers/wait-for.ts'
import { nativeModule } from '../support/native-consumer.ts'
import { nativeTest } from '../support/native-test.ts'
import { pending } from '../support/pending.ts'

function tempPath(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'hst-rescue-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return join(folder, 'socket')
}

/** Both ends of a connection over a Unix socket. */
function connected(t: TestContext): [near: number, far: number] {
  const native = nativeModule()
  const path = tempPath(t)
  const listener = native.listenAt(path)
  assert.ok(listener > 2)
  const near = native.connectTo(path)
  assert.ok(near > 2)
  const fds = new Int32Array(1)
  assert.equal(native.accept(listener, fds, Buffer.alloc(32)), 1)
  native.close(listener)
  assert.equal(native.connectTo(path), errnos.connectionRefused)
  return [near, fds[0] ?? -1]
}

function openLedger(t: TestContext, native: NativeModule) {
  const page = native.openPage(ledgerBytes, true, 'ledger')
  assert.ok(typeof page === 'object')
  t.after(() => native.close(page.fd))
  return { fd: page.fd, ledger: new Ledger(page.memory) }
}

nativeTest('descriptors go through a Unix socket, and what stays can be received again', (t) => {
  const native = nativeModule()
  const [near, far] = connected(t)
  t.after(() => [near, far].forEach((fd) => native.close(fd)))
  const { fd } = openLedger(t, native)
  assert.equal(native.receive(far, Buffer.alloc(8), false), errnos.again)
  assert.equal(native.pass(near, Buffer.from('hello'), Int32Array.of(fd, near)), 0)
  for (const stays of [true, false]) {
    const into = Buffer.alloc(64)
    const received = native.receive(far, into, stays) as Received
    assert.equal(into.toString('utf8', 0, received.bytes), 'hello')
    assert.equal(received.fds.length, 2)
    assert.equal(fstatSync(received.fds[0] ?? -1).ino, fstatSync(fd).ino)
    for (const each of received.fds) native.close(each)
  }
  assert.equal(native.receive(far, Buffer.alloc(8), false), errnos.again)
  native.close(near)
  assert.deepEqual(native.receive(far, Buffer.alloc(8), false), { bytes: 0, fds: [] })
})

nativeTest('arguments of a wrong kind are refused', () => {
  const native = nativeModule()
  assert.throws(() => native.listenAt('x'.repeat(108)), TypeError)
  assert.throws(() => native.connectTo(''), TypeError)
  assert.throws(() => native.pass(3, Buffer.from('x'), new Int32Array(73)), TypeError)
  assert.throws(() => native.pass(3, Buffer.alloc(0), new Int32Array(1)), TypeError)
  assert.ok(native.connectTo('/nowhere/at/all') < 0)
})

nativeTest('nobody but its primary can write to a ledger, and it tells what was counted', (t) => {
  const native = nativeModule()
  const { fd, ledger } = openLedger(t, native)
  assert.equal(native.sealsOf(fd), seals.size | seals.writing)
  assert.throws(() => writeSync(fd, 'x', 0), { code: 'EPERM' })
  assert.ok((native.mapPage(fd, ledgerBytes) as number) < 0)

  const [first, second] = [pending(7), pending(8)]
  Object.assign(first, { turn: 2, nonce: 77 })
  Object.assign(second, { turn: 1, nonce: 88 })
  ledger.enter(first, 'a'.repeat(32))
  ledger.enter(second, '')
  ledger.counts[0] = 5
  ledger.counts[1] = 3
  ledger.write('noted')
  const read = readLedger(fd)
  assert.deepEqual(read.counts, { accepted: 5, served: 3, failed: 0, shed: 0, expired: 0, gone: 0 })
  assert.equal(read.text, 'noted')
  const entries = read.entries.map(({ id, turn, nonce, address }) => [id, turn, nonce, address])
  assert.deepEqual(entries, [
    [8, 1, 88, '\0'.repeat(32)],
    [7, 2, 77, 'a'.repeat(32)],
  ])
  ledger.remove(first)
  assert.equal(readLedger(fd).entries.length, 1)
  // Its place had a longer client before.
  for (const client of [{ path: '/run/x.sock' }, { address: '192.0.2.1', port: 1 }]) {
    ledger.enter(first, writtenClient(client))
    const { path } = readLedger(fd).entries.find(({ id }) => id === 7) ?? {}
    assert.equal(path, client.path)
    ledger.remove(first)
  }
})

nativeTest('connections count as accepted before this process has counted them', (t) => {
  const native = nativeModule()
  const { fd, ledger } = openLedger(t, native)
  const accepted = () => readLedger(fd).counts.accepted
  ledger.counts[0] = 10
  ledger.beginBatch(0)
  assert.equal(accepted(), 10)
  for (const at of [0, 1, 2]) ledger.batch.writeUInt16LE(2, 32 * at)
  assert.equal(accepted(), 13)
  ledger.counts[0] = 12
  assert.equal(accepted(), 13)
  ledger.counts[0] = 14
  assert.equal(accepted(), 14)
  ledger.beginBatch(3)
  assert.equal(accepted(), 14)
})

nativeTest(
  'a ledger has room for as many entries as there can be, and forgets those beyond',
  (t) => {
    const native = nativeModule()
    const { fd, ledger } = openLedger(t, native)
    const all = Array.from({ length: 1_100 }, (_, at) => pending(at + 1))
    for (const one of all) ledger.enter(one, '')
    assert.equal(readLedger(fd).entries.length, 1_024)
    for (const one of all) ledger.remove(one)
    assert.equal(readLedger(fd).entries.length, 0)
    ledger.write('x'.repeat(200_000))
    assert.equal(readLedger(fd).text, '')
  },
)

nativeTest('what a primary leaves outlives it, and is replaced as a whole', async (t) => {
  const native = nativeModule()
  const { fd } = openLedger(t, native)
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const handle = listeningHandle(server)
  const bound = { host: '127.0.0.1', port: 0, boundPort: 4_711 }
  const listener: BoundListener = { ...bound, handle }
  const legacy = new Legacy(native)
  const queue = { feeding: fd, taking: fd }
  assert.equal(readLegacy(native, legacy.fd), undefined)
  legacy.leave(fd, queue, handle.fd, [listener, listener])
  legacy.leave(fd, queue, handle.fd, [listener])
  for (const time of [1, 2]) {
    const content = readLegacy(native, legacy.fd)
    assert.ok(content !== undefined, `nothing was left at time ${time}`)
    assert.deepEqual(
      content.listeners.map((one) => one.bound),
      [bound],
    )
    const socket = content.listeners[0]?.fd ?? -1
    assert.equal(native.isListening(socket), 1)
    assert.equal(native.isListening(fd) < 0, true)
    assert.equal(native.isListening(content.socket), 1)
    const { ledger, queue: ends } = content
    for (const each of [ledger, ends.feeding, ends.taking, content.socket, socket]) {
      native.close(each)
    }
  }
  native.close(legacy.fd)
})

nativeTest('a message that is none ends the channel, and leaks no descriptor', async (t) => {
  const native = nativeModule()
  const [near, far] = connected(t)
  const got: unknown[] = []
  let isClosed = false
  const fds: number[] = []
  const channel = new RescueChannel(native, far, {
    onMessage: (message, received) => {
      got.push(message)
      fds.push(...received)
    },
    onClosed: () => {
      isClosed = true
    },
  })
  const file = openSync('/dev/null', 'r')
  t.after(() => {
    for (const fd of [near, file, ...fds]) native.close(fd)
    channel.close()
  })
  native.pass(near, Buffer.from('{"a":1}\n{"b'), new Int32Array(0))
  await waitFor('the first message', () => got.length === 1)
  native.pass(near, Buffer.from('":2}\n'), Int32Array.of(file))
  await waitFor('the second message', () => got.length === 2)
  assert.deepEqual(got, [{ a: 1 }, { b: 2 }])
  assert.equal(fds.length, 1)
  const next = openSync('/dev/null', 'r')
  closeSync(next)
  native.pass(near, Buffer.from('no JSON\n'), Int32Array.of(file, file))
  await waitFor('the end', () => isClosed)
  assert.equal(channel.send({ c: 3 }), errnos.brokenPipe)
  assert.equal(fds.length, 1)
  const after = openSync('/dev/null', 'r')
  assert.ok(after <= next, 'a descriptor was left open')
  closeSync(after)
})
