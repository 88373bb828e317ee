import assert from 'node:assert/strict'
import { fstatSync, ftruncateSync } from 'node:fs'
import {
  type Consumer,
  type NativeModule,
  takeCodes,
  ticketBytes,
  tryOut,
  type Watch,
} from '../../../src/native/native.ts'
import { waitFor } from '../../helpers/wait-for.ts'
import { handlePair } from '../support/handles.ts'
import { nativeModule, offer, place, queue, ticket } from '../support/native-consumer.ts'
import { nativeTest } from '../support/native-test.ts'

const idOf = (bytes: Uint8Array) => new DataView(bytes.buffer).getFloat64(8, true)

nativeTest('the module works here, which is what a service tries first', () => {
  assert.equal(tryOut(nativeModule()), undefined)
})

nativeTest('a module that loses what it is given is not used', () => {
  const lossy = { ...nativeModule(), recall: () => takeCodes.nobody } as NativeModule
  assert.match(tryOut(lossy) ?? '', /the queue returned 0 of \d+/)
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
      seen.fill(0)
      const fd = native.recall(taking, seen)
      assert.ok(fd > 2)
      assert.equal(idOf(seen), 10 * at)
      const peer = native.peerOf(fd)
      assert.deepEqual(peer, { address: '127.0.0.1', port: client.localPort })
      native.close(fd)
    }
    assert.equal(native.peek(taking, seen), takeCodes.nobody)
    assert.equal(native.recall(taking, seen), takeCodes.nobody)
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
    native.close(native.recall(taking, new Uint8Array(ticketBytes)))
  }
  await waitFor('the call', () => calls === 1)
})

nativeTest(
  'a worker cannot change the size of its page, and the kernel writes into it who was taken',
  async (t) => {
    const native = nativeModule()
    const page = native.openPage(4_096)
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
    const count = await waitFor('the bytes', () => take(native, consumer, into))
    assert.ok(typeof count === 'number')
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
  const calls: [string, ...unknown[]][] = [
    ['openQueue', 0],
    ['openQueue'],
    ['offer', 0, Int32Array.of(feeding), ticket(1), 1],
    ['offer', feeding, feeding, ticket(1), 1],
    ['offer', feeding, Int32Array.of(-1), ticket(1), 1],
    ['offer', feeding, Int32Array.of(feeding, 1), new Uint8Array(2 * ticketBytes), 2],
    ['offer', feeding, Int32Array.of(feeding), new Uint8Array(ticketBytes - 1), 1],
    ['offer', feeding, Int32Array.of(feeding), ticket(1), 2],
    ['offer', feeding, Int32Array.of(feeding), ticket(1), 0],
    ['offer', feeding, new Int32Array(33).fill(feeding), new Uint8Array(33 * ticketBytes), 33],
    ['recall', taking, new Float64Array(9)],
    ['peek', taking, 'a text'],
    ['openPage', 8],
    ['openPage', 2 ** 30],
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
  assert.equal(native.offer(feeding, Int32Array.of(1_000_000), ticket(1), 1), -9)
  assert.equal(native.read(consumer, Buffer.alloc(8)), -9)
})

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
