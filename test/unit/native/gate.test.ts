import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import type { TestContext } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import {
  consumerEvents,
  errnos,
  grantSize,
  loadNative,
  mostListeners,
  type NativeModule,
  takeCodes,
} from '../../../src/native/native.ts'
import { waitFor } from '../../helpers/wait-for.ts'
import { handlePair } from '../support/handles.ts'
import { offer, place, queue, ticket } from '../support/native-consumer.ts'
import { nativeTest } from '../support/native-test.ts'
import { arriving, listening } from '../support/waiting-clients.ts'

const nonce = 0xfe_dc_ba_98
const native = loadNative().module as NativeModule

/** A worker at a queue and at listening sockets, to whom the gate is open; its endpoints have the numbers 3 and 4. */
async function atGate(t: TestContext, hosts: readonly string[] = ['127.0.0.1']) {
  const { feeding, taking } = queue(t)
  const events: number[] = []
  const made = place(t, taking, (event) => events.push(event))
  const { consumer, reader } = made
  const sockets = await Promise.all(hosts.map((host) => listening(t, host)))
  const into = Buffer.alloc(64)
  const take = () => native.take(consumer, into)
  /** The listening sockets, in descriptors of the consumer's own. */
  const learn = (number: number, fds = sockets.map(({ fd }) => native.duplicate(fd))) => {
    native.learnListeners(consumer, Int32Array.from(fds), number)
    return fds
  }
  t.after(() => {
    native.drop(consumer)
    learn(0, [])
  })
  const endpoints = sockets.map((_, at) => at + 3)
  reader.grant({ count: 2 * grantSize, ids: [1_000, 5_000] })
  reader.name(1, endpoints, nonce)
  reader.open(1)
  /** Takes a connection; what the primary sees of it then. */
  const taken = () => {
    const first = take()
    assert.ok(first > takeCodes.nobody, `take: ${first}`)
    return seen()
  }
  const seen = () => {
    const { id, nonce: told, endpoint } = reader.current
    return { id, nonce: told, endpoint }
  }
  const peer = () => native.addressOf(Buffer.from(reader.peer, 'latin1'))
  const [first] = sockets
  assert.ok(first !== undefined)
  return { ...made, feeding, sockets, first, events, take, taken, seen, peer, learn }
}

/** Whether an event loop waits for a descriptor. */
function isWatched(fd: number | undefined): boolean {
  const line = new RegExp(`^tfd:\\s+${fd} `, 'm')
  return readdirSync('/proc/self/fdinfo').some((name) => {
    try {
      return line.test(readFileSync(`/proc/self/fdinfo/${name}`, 'latin1'))
    } catch {
      // That of the folder itself is closed by now.
      return false
    }
  })
}

/** Long enough for the event loop to tell what there is to tell. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await nextTurn()
}

nativeTest('it takes from the queue first, then from the listening socket', async (t) => {
  const { feeding, first, consumer, reader, take, taken, learn } = await atGate(t)
  learn(1)
  await arriving(t, first, 2)
  const { handle } = await handlePair(t)
  const put = (id: number) => assert.equal(offer(feeding, handle.fd ?? -1, ticket(id, id, 99)), 0)
  put(1)
  put(2)
  for (const id of [1, 2]) {
    assert.deepEqual(taken(), { id, nonce: 99, endpoint: 0 })
    native.drop(consumer)
  }
  assert.deepEqual(taken(), { id: 1_000, nonce, endpoint: 3 })
  native.drop(consumer)
  // Nothing comes into the queue while the gate is open, so it is not asked for each connection.
  put(3)
  assert.equal(taken().id, 1_001)
  native.drop(consumer)
  assert.equal(take(), takeCodes.nobody)
  reader.open(2)
  assert.equal(taken().id, 3)
  native.drop(consumer)
  await arriving(t, first)
  put(4)
  reader.open(0)
  assert.equal(taken().id, 4)
  native.drop(consumer)
  assert.equal(take(), takeCodes.nobody, 'it may not accept the client')
  reader.open(3)
  assert.equal(taken().id, 1_002)
})

nativeTest('the page tells whom it has accepted, and of nobody while it has not', async (t) => {
  const { first, consumer, reader, writer, take, taken, peer, seen, learn } = await atGate(t)
  learn(1)
  assert.equal(reader.peer, '')
  const beforeMs = native.now()
  assert.equal(take(), takeCodes.nobody)
  assert.deepEqual(seen(), { id: 1_000, nonce, endpoint: 3 }, 'it has tried')
  assert.equal(reader.peer, '')
  assert.ok(reader.current.takenAtMs >= beforeMs, 'it may be killed within the call')
  const [client] = await arriving(t, first)
  assert.deepEqual(taken(), { id: 1_000, nonce, endpoint: 3 })
  assert.deepEqual(peer(), { address: '127.0.0.1', port: client?.localPort })
  assert.deepEqual(writer.ticket, seen())
  const { takenAtMs } = reader.current
  assert.ok(takenAtMs >= beforeMs && takenAtMs <= native.now())
  // It is the connection of that client.
  client?.write('hello')
  const into = Buffer.alloc(64)
  await waitFor('its bytes', () => native.read(consumer, into) === 5)
  native.drop(consumer)
  assert.notEqual(reader.peer, '', 'it has gone nowhere since')
  assert.equal(take(), takeCodes.nobody)
  assert.equal(reader.peer, '', 'a later ticket is not about an earlier client')
  assert.equal(seen().id, 1_001)
})

nativeTest('a record names the client unless it was served', async (t) => {
  const { first, consumer, reader, writer, taken, learn } = await atGate(t)
  learn(1)
  await arriving(t, first, 2)
  for (const step of ['failed', 'served'] as const) {
    taken()
    const address = reader.peer
    assert.equal(address.length, 32)
    const { ticket: own, takenAtMs } = writer
    const report = { step, reason: 'none', id: own.id, bytesIn: 1, bytesOut: 2 } as const
    writer.record(report, own, takenAtMs, native.now())
    native.drop(consumer)
    const record = reader.next()
    assert.deepEqual(
      [record?.id, record?.nonce, record?.endpoint, record?.address],
      [own.id, nonce, 3, step === 'served' ? '' : address],
    )
  }
})

nativeTest('it has to learn the listening sockets, and again when they are others', async (t) => {
  const { first, consumer, reader, take, taken, learn } = await atGate(t)
  await arriving(t, first, 2)
  assert.equal(take(), takeCodes.otherListeners)
  learn(2)
  assert.equal(take(), takeCodes.otherListeners)
  const [old] = learn(1)
  assert.equal(taken().id, 1_000)
  native.drop(consumer)
  reader.name(2, [8], nonce)
  assert.equal(take(), takeCodes.otherListeners)
  reader.open(0)
  assert.equal(take(), takeCodes.nobody, 'while the gate is closed, they do not matter')
  reader.open(2)
  learn(2)
  assert.equal(native.isListening(old ?? -1) > 0, false, 'those before are closed')
  assert.deepEqual(taken(), { id: 1_001, nonce, endpoint: 8 })
})

nativeTest('without listening sockets of its own, it takes from the queue alone', async (t) => {
  const { feeding, first, take, taken, learn } = await atGate(t)
  await arriving(t, first)
  learn(1, [])
  assert.equal(take(), takeCodes.nobody)
  const { handle } = await handlePair(t)
  offer(feeding, handle.fd ?? -1, ticket(5))
  assert.equal(taken().id, 5)
})

nativeTest('it accepts nobody while it may not take connections', async (t) => {
  const { first, consumer, events, reader, seen, take, taken, learn } = await atGate(t)
  learn(1)
  assert.equal(take(), takeCodes.nobody)
  reader.permit(native.now() - 1)
  assert.equal(take(), takeCodes.notPermitted)
  await arriving(t, first)
  await turns()
  assert.deepEqual(events, [], 'it does not wait there')
  assert.equal(take(), takeCodes.notPermitted)
  assert.equal(native.backlogOf(first.fd), 1)
  reader.permit(Number.POSITIVE_INFINITY)
  assert.equal(taken().id, 1_000)
  assert.equal(seen().endpoint, 3)
  native.drop(consumer)
})

nativeTest('it accepts no more than it was granted, and does not wait for more', async (t) => {
  const { first, consumer, events, reader, take, taken, learn } = await atGate(t)
  reader.grant({ count: 2, ids: [10, 20] })
  learn(1)
  await arriving(t, first, 3)
  for (const id of [10, 11]) {
    assert.equal(taken().id, id)
    native.drop(consumer)
  }
  assert.equal(take(), takeCodes.nobody)
  await turns()
  assert.deepEqual([native.backlogOf(first.fd), events], [1, []])
  reader.grant({ count: 3, ids: [10, 20] })
  assert.equal(taken().id, 12)
})

nativeTest('its numbers go on in the next grant, and then in the place of the first', async (t) => {
  const { first, consumer, reader, taken, learn } = await atGate(t)
  learn(1)
  const ids: number[] = []
  for (let round = 0; round < 6; round += 1) {
    // So many that the third grant is reached.
    const count = 100
    const clients = await arriving(t, first, count)
    if (ids.length > grantSize) reader.grant({ count: 3 * grantSize, ids: [9_000, 5_000] })
    for (let each = 0; each < count; each += 1) {
      ids.push(taken().id)
      native.drop(consumer)
    }
    for (const client of clients) client.destroy()
  }
  const firsts = [1_000, 5_000, 9_000]
  assert.deepEqual(
    ids,
    ids.map((_, at) => (firsts[Math.floor(at / grantSize)] ?? 0) + (at % grantSize)),
  )
  assert.equal(ids.at(-1), 9_000 + 87)
})

nativeTest('it accepts from all its sockets, and tells which one it was', async (t) => {
  const { sockets, consumer, reader, take, taken, peer, learn } = await atGate(t, [
    '127.0.0.1',
    '::1',
  ])
  learn(1)
  const [one, two] = sockets
  assert.ok(one !== undefined && two !== undefined)
  const [second] = await arriving(t, two)
  assert.deepEqual(taken(), { id: 1_000, nonce, endpoint: 4 })
  assert.deepEqual(peer(), { address: '::1', port: second?.localPort })
  native.drop(consumer)
  const [first] = await arriving(t, one)
  await arriving(t, two)
  assert.deepEqual(taken(), { id: 1_001, nonce, endpoint: 3 })
  assert.deepEqual(peer(), { address: '127.0.0.1', port: first?.localPort })
  native.drop(consumer)
  assert.deepEqual(taken(), { id: 1_002, nonce, endpoint: 4 })
  native.drop(consumer)
  assert.equal(take(), takeCodes.nobody)
  assert.equal(reader.peer, '')
})

nativeTest('it wakes at whichever of its sockets somebody arrives', async (t) => {
  const { sockets, consumer, events, take, taken, learn } = await atGate(t, ['127.0.0.1', '::1'])
  learn(1)
  for (const at of sockets) {
    assert.equal(take(), takeCodes.nobody)
    await turns()
    assert.deepEqual(events.splice(0), [])
    await arriving(t, at)
    await waitFor('an event', () => events.length > 0)
    assert.deepEqual(new Set(events), new Set([consumerEvents.arrived]))
    taken()
    native.drop(consumer)
    events.length = 0
  }
})

nativeTest('it hears of nobody once it has left, nor while it has a connection', async (t) => {
  const { first, consumer, events, take, taken, learn } = await atGate(t)
  const [fd] = learn(1)
  assert.equal(isWatched(fd), false)
  assert.equal(take(), takeCodes.nobody)
  assert.equal(isWatched(fd), true)
  native.leaveGate(consumer)
  assert.equal(isWatched(fd), false)
  await arriving(t, first)
  await turns()
  assert.deepEqual(events, [])
  assert.equal(taken().id, 1_000)
  native.drop(consumer)
  // It waits again.
  assert.equal(take(), takeCodes.nobody)
  await arriving(t, first, 2)
  taken()
  // Those that it has heard of while it waited.
  events.length = 0
  await turns()
  assert.deepEqual(events, [], 'it has one in hand')
  native.drop(consumer)
  await turns()
  assert.deepEqual(events, [], 'it has left by that')
  taken()
})

nativeTest('what happens at its connection and its bell is told beside that', async (t) => {
  const { first, bell, consumer, events, take, taken, learn } = await atGate(t)
  learn(1)
  assert.equal(take(), takeCodes.nobody)
  native.ring(bell)
  await waitFor('the bell', () => events.length > 0)
  assert.deepEqual(events.splice(0), [consumerEvents.rung])
  const [client] = await arriving(t, first, 2)
  taken()
  events.length = 0
  assert.equal(native.arm(consumer), 0)
  await waitFor('it to be writable', () => events.includes(consumerEvents.writable))
  client?.write('hello')
  await waitFor('it to be readable', () =>
    events.some((event) => (event & consumerEvents.readable) !== 0),
  )
  assert.equal(
    events.some((event) => (event & consumerEvents.arrived) !== 0),
    false,
  )
})

nativeTest('others may learn sockets while it waits at those before', async (t) => {
  const { first, events, take, taken, learn } = await atGate(t)
  learn(1)
  assert.equal(take(), takeCodes.nobody)
  learn(1)
  await arriving(t, first)
  await turns()
  assert.deepEqual(events, [], 'it does not wait there any more')
  assert.equal(taken().id, 1_000)
})

nativeTest('a listening socket that an app has closed is told, and is no connection', async (t) => {
  const { take, learn } = await atGate(t)
  const [fd] = learn(1)
  native.close(fd ?? -1)
  const closed = take()
  learn(1, [])
  assert.equal(closed, takeCodes.broken)
  const page = native.openPage(4_096, false, 'page')
  assert.ok(typeof page === 'object')
  // Another file may have its number by now.
  learn(1, [page.fd])
  assert.equal(take(), takeCodes.broken)
})

nativeTest(
  'of a socket that listens no more it takes nobody, until the gate is closed',
  async (t) => {
    const { first, events, reader, take, learn } = await atGate(t)
    learn(1)
    assert.equal(take(), takeCodes.nobody)
    assert.equal(native.stopListening(first.fd), 0)
    assert.equal(take(), takeCodes.nobody)
    await waitFor('it to be woken for that', () => events.length > 0)
    assert.equal(take(), takeCodes.nobody)
    reader.open(0)
    assert.equal(take(), takeCodes.nobody)
    events.length = 0
    await turns()
    assert.deepEqual(events, [], 'it has left')
  },
)

nativeTest('a socket tells how many wait to be accepted', async (t) => {
  const { consumer, first, taken, learn } = await atGate(t)
  learn(1)
  assert.equal(native.backlogOf(first.fd), 0)
  await arriving(t, first, 3)
  assert.equal(native.backlogOf(first.fd), 3)
  taken()
  assert.equal(native.backlogOf(first.fd), 2)
  native.drop(consumer)
  assert.equal(native.backlogOf(1_000_000), -9)
  assert.ok(native.backlogOf(queue(t).feeding) < 0)
})

nativeTest('a socket that listens no more refuses clients, whoever has it open', async (t) => {
  const at = await listening(t)
  const other = native.duplicate(at.fd)
  t.after(() => native.close(other))
  const copy = native.duplicate(at.fd)
  native.close(copy)
  const [waiting] = await arriving(t, at)
  assert.ok(waiting !== undefined, 'to close a descriptor changes nothing')
  const gone = new Promise((resolve) => waiting.resume().once('close', resolve))
  assert.equal(native.stopListening(at.fd), 0)
  await gone
  assert.equal(native.isListening(other), 0)
  const [error] = (await once(connect(at.port, at.host), 'error')) as [NodeJS.ErrnoException]
  assert.equal(error.code, 'ECONNREFUSED')
  assert.equal(native.accept(other, new Int32Array(1), new Uint8Array(32)), -22)
  assert.equal(native.stopListening(at.fd), errnos.notConnected)
})

nativeTest('listening sockets that cannot be right are refused', async (t) => {
  const { consumer } = await atGate(t)
  const wrong = native as unknown as Record<string, (...args: unknown[]) => unknown>
  for (const [name, ...args] of [
    ['learnListeners', consumer, [1], 1],
    ['learnListeners', consumer, Int32Array.of(9), -1],
    ['learnListeners', consumer, Int32Array.of(9), 2 ** 32],
    ['learnListeners', consumer, new Int32Array(mostListeners + 1).fill(9), 1],
    ['learnListeners', {}, Int32Array.of(9), 1],
    ['leaveGate', {}],
    ['backlogOf', -1],
    ['stopListening', 1.5],
  ] as const) {
    assert.throws(() => wrong[name]?.(...args), TypeError, name)
  }
})
