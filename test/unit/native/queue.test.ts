import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { fstatSync, ftruncateSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { ledgerBytes } from '../../../src/connections/ledger.ts'
import {
  type Consumer,
  consumerEvents,
  errnos,
  type NativeModule,
  takeCodes,
  ticketBytes,
  tryOut,
  type Watch,
} from '../../../src/native/native.ts'
import { waitFor } from '../../helpers/wait-for.ts'
import { handlePair } from '../support/handles.ts'
import { nativeModule, offer, place, queue, recall, ticket } from '../support/native-consumer.ts'
import { nativeTest } from '../support/native-test.ts'

const idOf = (bytes: Uint8Array) => new DataView(bytes.buffer).getFloat64(8, true)

nativeTest('the module works here, which is what a service tries first', () => {
  assert.equal(tryOut(nativeModule()), undefined)
})

nativeTest('a module that loses what it is given is not used', () => {
  const lossy = { ...nativeModule(), receive: () => errnos.again } as NativeModule
  assert.match(tryOut(lossy) ?? '', /the queue returned 0 of \d+/)
})

nativeTest(
  'a module whose system calls are refused is not used, and the reason names the call',
  () => {
    const refused = -1
    for (const [name, reason] of [
      ['openQueue', 'socketpair failed with EPERM'],
      ['openBell', 'eventfd failed with EPERM'],
      ['openPage', 'memfd_create failed with EPERM'],
      ['duplicate', 'fcntl with F_DUPFD_CLOEXEC failed with EPERM'],
      ['offer', 'sendmmsg failed with EPERM'],
      ['peek', 'recv with MSG_PEEK failed with EPERM'],
    ] as const) {
      assert.equal(tryOut({ ...nativeModule(), [name]: () => refused }), reason)
    }
  },
)

nativeTest('where files may be no larger than the pages, the module is not used', () => {
  const module = fileURLToPath(new URL('../../../src/native/native.js', import.meta.url))
  const source = `process.stdout.write((await import(${JSON.stringify(module)})).loadNative().reason)`
  const node = [process.execPath, '--input-type=module', '-e', source]
  const { stdout } = spawnSync('/bin/sh', ['-c', 'ulimit -f 512 && exec "$@"', 'sh', ...node])
  assert.equal(stdout.toString(), 'no native module: memfd_create failed with EFBIG')
  assert.ok(512 * 512 < ledgerBytes, 'the ledger fits')
})

nativeTest(
  'connections leave the queue in the order in which they came, each with its own ticket',
  async (t) => {
    const native = nativeModule()
    const { feeding, taking } = queue(t)
    const pairs = [await handlePair(t), await handlePair(t), await handlePair(t)]
    for (const [at, { handle }] of pairs.entries()) {
      assert.equal(offer(feeding, handle.fd ?? -1, ticket(at + 1, 10 * at)), 0)
    }
    const seen = new Uint8Array(ticketBytes)
    for (const [at, { client }] of pairs.entries()) {
      assert.equal(native.peek(taking, seen), 0)
      assert.equal(idOf(seen), 10 * at)
      const { fd, message } = recall(taking) ?? { fd: -1, message: Buffer.alloc(0) }
      assert.ok(fd > 2)
      assert.equal(message.readDoubleLE(8), 10 * at)
      assert.equal(message.length, ticketBytes)
      const peer = native.peerOf(fd)
      assert.deepEqual(peer, { address: '127.0.0.1', port: client.localPort })
      native.close(fd)
    }
    assert.equal(native.peek(taking, seen), takeCodes.nobody)
    assert.equal(recall(taking), undefined)
  },
)

nativeTest('a preface goes with its connection, and is read before what follows it', async (t) => {
  const native = nativeModule()
  const { feeding, taking } = queue(t, 65_536)
  const { consumer } = place(t, taking)
  const pairs = [await handlePair(t), await handlePair(t), await handlePair(t)]
  const prefaces = ['first header', '', 'x'.repeat(17_000)]
  const messages = prefaces.map((preface, at) =>
    Buffer.concat([ticket(at + 1), Buffer.from(preface)]),
  )
  for (const { client } of pairs) client.write('later')
  const copies = pairs.map(({ handle }) => native.duplicate(handle.fd ?? -1))
  const lengths = Int32Array.from(messages.map(({ length }) => length))
  const all = Buffer.concat(messages)
  assert.equal(native.offer(feeding, Int32Array.from(copies), all, lengths, 3), 3)
  const seen = new Uint8Array(ticketBytes)
  const into = Buffer.alloc(65_536)
  for (const [at, preface] of prefaces.entries()) {
    assert.equal(native.peek(taking, seen), 0)
    assert.equal(idOf(seen), at + 1)
    const first =
      preface === '' ? await firstTaken(native, consumer, into) : native.take(consumer, into)
    assert.equal(into.toString('latin1', 0, first), preface || 'later')
    const rest = preface === '' ? errnos.again : 5
    await waitFor('what follows', () => native.read(consumer, into) === rest)
    native.drop(consumer)
  }
})

nativeTest('a message that is longer than there is room for is no connection', async (t) => {
  const native = nativeModule()
  const { feeding, taking } = queue(t)
  const { consumer } = place(t, taking)
  const { handle } = await handlePair(t)
  offer(feeding, handle.fd ?? -1, Buffer.concat([ticket(1), Buffer.alloc(65)]))
  offer(feeding, handle.fd ?? -1, ticket(2))
  const { length } = readdirSync('/proc/self/fd')
  assert.equal(native.take(consumer, Buffer.alloc(64)), takeCodes.broken)
  assert.equal(readdirSync('/proc/self/fd').length, length)
  assert.ok(native.take(consumer, Buffer.alloc(64)) > takeCodes.nobody)
})

nativeTest(
  'a connection that is detached is the caller’s, and the next can be taken',
  async (t) => {
    const native = nativeModule()
    const { feeding, taking } = queue(t)
    const events: number[] = []
    const { consumer } = place(t, taking, (event) => events.push(event))
    const [one, two] = [await handlePair(t), await handlePair(t)]
    offer(feeding, one.handle.fd ?? -1, ticket(1))
    offer(feeding, two.handle.fd ?? -1, ticket(2))
    const into = Buffer.alloc(64)
    native.take(consumer, into)
    native.arm(consumer)
    const fd = native.detach(consumer)
    assert.deepEqual(native.peerOf(fd), { address: '127.0.0.1', port: one.client.localPort })
    assert.equal(native.detach(consumer), -9)
    native.take(consumer, into)
    native.arm(consumer)
    one.client.write('for the caller')
    await waitFor('the bytes', () => typeof native.receive(fd, into, true) === 'object')
    // Those of the second only: it is writable.
    await waitFor('an event', () => events.length > 0)
    assert.deepEqual(events, [consumerEvents.writable])
    native.close(fd)
  },
)

nativeTest('a full queue takes nothing, and tells when it has room again', async (t) => {
  const native = nativeModule()
  const { feeding, taking } = queue(t)
  const { handle } = await handlePair(t)
  let offered = 0
  while (offer(feeding, handle.fd ?? -1, ticket(offered)) === 0) offered += 1
  assert.ok(offered >= 4 && offered <= 20, `${offered} at once`)
  let calls = 0
  const watch = native.watch(feeding, () => {
    calls += 1
    native.setEvents(watch, 0)
  }) as Watch
  t.after(() => native.unwatch(watch))
  native.setEvents(watch, 2)
  for (; offered > 0; offered -= 1) {
    assert.equal(calls, 0)
    native.close(recall(taking)?.fd ?? -1)
  }
  await waitFor('the call', () => calls === 1)
})

nativeTest(
  'a worker cannot change the size of its page, and the kernel writes into it who was taken',
  async (t) => {
    const native = nativeModule()
    const page = native.openPage(4_096, false, 'page')
    assert.ok(typeof page === 'object')
    t.after(() => native.close(page.fd))
    assert.throws(() => ftruncateSync(page.fd, 0), { code: 'EPERM' })
    assert.throws(() => ftruncateSync(page.fd, 8_192), { code: 'EPERM' })
    assert.equal(fstatSync(page.fd).size, 4_096)

    const { feeding, taking } = queue(t)
    const { consumer, reader } = place(t, taking)
    const { handle, client } = await handlePair(t)
    client.write('first bytes')
    offer(feeding, handle.fd ?? -1, ticket(1, 4_711, 99))
    const into = Buffer.alloc(64)
    const count = await firstTaken(native, consumer, into)
    assert.equal(into.toString('latin1', 0, count), 'first bytes')
    const { id, nonce, takenAtMs } = reader.current
    assert.deepEqual([id, nonce], [4_711, 99])
    assert.ok(takenAtMs > 0)
  },
)

nativeTest(
  'a worker takes nothing when it may not, and nothing that it has no descriptor for',
  async (t) => {
    const native = nativeModule()
    const { feeding, taking } = queue(t)
    const { consumer, reader } = place(t, taking)
    const { handle } = await handlePair(t)
    offer(feeding, handle.fd ?? -1, ticket(1))
    const into = Buffer.alloc(64)
    for (const untilMs of [0, native.now() - 1, Number.NaN]) {
      reader.permit(untilMs)
      assert.equal(native.take(consumer, into), takeCodes.notPermitted)
    }
    reader.permit(native.now() + 60_000)
    assert.ok(native.take(consumer, into) > takeCodes.nobody)
    assert.equal(reader.current.id, 1)
  },
)

nativeTest('arguments that cannot be right are refused, not passed to the system', (t) => {
  const native = nativeModule()
  const { feeding, taking } = queue(t)
  const { consumer } = place(t, taking)
  const wrong = native as unknown as Record<string, (...args: unknown[]) => unknown>
  const one = Int32Array.of(feeding)
  const lengths = (count: number) => new Int32Array(count).fill(ticketBytes)
  const tickets = (count: number) => new Uint8Array(count * ticketBytes)
  const calls: [string, ...unknown[]][] = [
    ['openQueue', 0],
    ['openQueue'],
    ['offer', 0, one, ticket(1), lengths(1), 1],
    ['offer', feeding, feeding, ticket(1), lengths(1), 1],
    ['offer', feeding, Int32Array.of(-1), ticket(1), lengths(1), 1],
    ['offer', feeding, Int32Array.of(feeding, 1), tickets(2), lengths(2), 2],
    ['offer', feeding, one, new Uint8Array(ticketBytes - 1), lengths(1), 1],
    ['offer', feeding, one, ticket(1), lengths(1), 2],
    ['offer', feeding, one, ticket(1), lengths(1), 0],
    ['offer', feeding, new Int32Array(33).fill(feeding), tickets(33), lengths(33), 33],
    ['offer', feeding, one, ticket(1), ticketBytes, 1],
    ['offer', feeding, one, ticket(1), Int32Array.of(ticketBytes - 1), 1],
    ['offer', feeding, one, ticket(1), Int32Array.of(ticketBytes + 1), 1],
    ['offer', feeding, one, ticket(1), Int32Array.of(-1), 1],
    ['offer', feeding, Int32Array.of(feeding, feeding), tickets(1), lengths(2), 2],
    ['offer', feeding, Int32Array.of(feeding, feeding), tickets(2), lengths(1), 2],
    ['peek', taking, 'a text'],
    ['openPage', 8, true, 'page'],
    ['openPage', 2 ** 30, true, 'page'],
    ['openPage', 4_096, 1, 'page'],
    ['openPage', 4_096, true, ''],
    ['openPage', 4_096, true, 7],
    ['accept', feeding, new Int32Array(4), new Uint8Array(31)],
    ['addressOf', new Uint8Array(16)],
    ['close', 1],
    ['close', 3.5],
    ['watch', feeding, 7],
    ['setEvents', consumer, 1],
    ['setEvents', {}, 1],
    ['take', {}, Buffer.alloc(9)],
    ['take', consumer, Buffer.alloc(0)],
    ['send', consumer, Buffer.alloc(2), 3],
    ['send', consumer, Buffer.alloc(2), -1],
    ['push', consumer, 1],
    ['openConsumer', taking, feeding, feeding, 8, () => {}],
  ]
  for (const [name, ...args] of calls) {
    assert.throws(() => wrong[name]?.(...args), TypeError, name)
  }
  // A descriptor that is none is the system's to refuse.
  assert.equal(native.offer(feeding, Int32Array.of(1_000_000), ticket(1), lengths(1), 1), -9)
  assert.equal(native.read(consumer, Buffer.alloc(8)), -9)
  assert.equal(native.detach(consumer), -9)
})

/** Takes a connection; resolves with the number of its first bytes. */
function firstTaken(native: NativeModule, consumer: Consumer, into: Buffer): Promise<number> {
  return waitFor('the bytes', () => take(native, consumer, into))
}

function take(native: NativeModule, consumer: Consumer, into: Buffer): number | undefined {
  const taken = native.take(consumer, into)
  if (taken > 0) return taken
  if (taken <= takeCodes.nobody) return undefined
  // Taken, but the bytes were still on their way.
  for (;;) {
    const count = native.read(consumer, into)
    if (count > 0) return count
  }
}
