import assert from 'node:assert/strict'
import { connect } from 'node:net'
import type { TestContext } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { PageReader, pageBytes } from '../../../src/ipc/worker-page.ts'
import { grantSize, type NativeModule } from '../../../src/native/native.ts'
import type { Arrival } from '../../../src/worker/intake.ts'
import { NativeIntake } from '../../../src/worker/native-intake.ts'
import { waitFor } from '../../helpers/wait-for.ts'
import { nativeModule, queue } from '../support/native-consumer.ts'
import { nativeTest } from '../support/native-test.ts'
import { arriving, listening } from '../support/waiting-clients.ts'

const nonce = 4_711
const options = { keepAliveMs: 0, noDelay: true, lingerMs: 1_000 }

/** A worker's intake, with two listening sockets of its primary, whose endpoints have the numbers 0 and 1. */
async function intakeAtGate(t: TestContext) {
  const { taking } = queue(t)
  const native: NativeModule = { ...nativeModule() }
  const page = native.openPage(pageBytes, false, 'page')
  if (typeof page === 'number') throw new Error(`openPage: ${page}`)
  const bell = native.openBell()
  const own = native.duplicate(taking)
  const reader = new PageReader(page.memory)
  reader.permit(Number.POSITIVE_INFINITY)
  // A process would inherit the descriptors.
  native.openConsumer = (_queue, _page, _bell, bytes, onEvents) =>
    nativeModule().openConsumer(own, page.fd, bell, bytes, onEvents)
  const sockets = [await listening(t), await listening(t)] as const
  const found = {
    times: 0,
    /** Which of the sockets its primary has left. */
    which: 0 as 0 | 1,
    onFound: () => {},
    listeners: () => {
      found.times += 1
      const fds = [native.duplicate(sockets[found.which].fd)]
      found.onFound()
      return fds
    },
  }
  const begun: { id: number; arrival: Arrival }[] = []
  const unfit: string[] = []
  const handler = {
    isBusy: false,
    begin: (id: number, _: unknown, arrival: Arrival) => begun.push({ id, arrival }),
  }
  const endpoints = [0, 1].map((number) => ({
    settings: { endpoint: { host: '127.0.0.1', port: 30_000 + number } },
    tls: null,
  }))
  const intake = new NativeIntake(native, options, endpoints, found.listeners, (reason) =>
    unfit.push(reason),
  ).serve(handler)
  reader.grant({ count: 2 * grantSize, ids: [1_000, 5_000] })
  /** Names the socket that its primary has left now, and opens the gate. */
  const open = (time: number, which: 0 | 1) => {
    found.which = which
    reader.name(time, [which], nonce)
    reader.open(time)
  }
  t.after(() => {
    intake.close()
    native.close(own)
    native.close(bell)
  })
  return { native, reader, sockets, found, begun, unfit, intake, open, bell }
}

nativeTest('it finds the listening sockets when the gate opens, once', async (t) => {
  const { sockets, found, begun, intake, open, native, bell, reader } = await intakeAtGate(t)
  intake.admit()
  assert.equal(found.times, 0)
  assert.equal(reader.waits % 2, 1)
  open(1, 0)
  native.ring(bell)
  await waitFor('it to look', () => found.times === 1)
  assert.equal(reader.waits % 2, 1, 'it waits again')
  const client = connect(sockets[0].port, sockets[0].host)
  t.after(() => client.destroy())
  await waitFor('the client', () => begun.length === 1)
  assert.deepEqual([begun[0]?.id, found.times, reader.waits % 2], [1_000, 1, 0])
})

nativeTest('it lets go of the listening sockets when it is closed, or locked', async (t) => {
  const { native, sockets, found, begun, intake, open, reader } = await intakeAtGate(t)
  const learnt: Int32Array[] = []
  const real = nativeModule()
  native.learnListeners = (consumer, fds, number) => {
    learnt.push(fds)
    real.learnListeners(consumer, fds, number)
  }
  open(1, 0)
  intake.admit()
  const [fd = -1] = learnt[0] ?? []
  assert.equal(native.isListening(fd), 1)
  intake.lockGate()
  assert.notEqual(native.isListening(fd), 1)
  await arriving(t, sockets[0])
  open(2, 1)
  intake.look()
  await nextTurn()
  assert.deepEqual([begun, found.times, native.backlogOf(sockets[0].fd)], [[], 1, 1])
  assert.equal(reader.peer, '')
})

nativeTest('while a connection is in hand, it waits at no listening socket', async (t) => {
  const { native, sockets, begun, intake, open } = await intakeAtGate(t)
  let left = 0
  const real = nativeModule()
  native.leaveGate = (consumer) => {
    left += 1
    real.leaveGate(consumer)
  }
  await arriving(t, sockets[0])
  open(1, 0)
  intake.admit()
  assert.equal(begun.length, 1)
  await waitFor('it to leave', () => left === 1)
})

nativeTest('a listening socket that an app has closed makes it unfit', async (t) => {
  const { native, unfit, begun, intake, open } = await intakeAtGate(t)
  const real = nativeModule()
  native.learnListeners = (consumer, fds, number) => {
    real.learnListeners(consumer, fds, number)
    for (const fd of fds) native.close(fd)
    Object.assign(native, real)
  }
  open(1, 0)
  intake.admit()
  // Before another file has the number of that descriptor.
  intake.close()
  assert.deepEqual(unfit, ['its end of the queue is closed, or a listening socket'])
  assert.equal(begun.length, 0)
})

nativeTest('sockets that change again while it learns them begin no connection', async (t) => {
  const { native, begun, unfit, intake, open, found } = await intakeAtGate(t)
  const real = nativeModule()
  native.learnListeners = (...args) => {
    real.learnListeners(...args)
    Object.assign(native, real)
    // Its primary closes the gate, and opens it anew.
    open(2, 1)
  }
  open(1, 0)
  intake.admit()
  assert.deepEqual([begun, unfit], [[], []])
  assert.ok(found.times >= 1)
})

nativeTest(
  'sockets that change while it looks for them do not get the endpoints of others',
  async (t) => {
    const { sockets, found, begun, intake, open, reader } = await intakeAtGate(t)
    await arriving(t, sockets[0])
    found.onFound = () => {
      found.onFound = () => {}
      // It has the first socket in its hands by now.
      open(2, 1)
    }
    open(1, 0)
    intake.admit()
    assert.ok(begun.length === 0 || reader.current.endpoint === 0, 'of the first socket')
  },
)
