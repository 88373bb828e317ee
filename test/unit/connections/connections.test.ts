import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { Connections } from '../../../src/connections/connections.ts'
import { Ledger, ledgerBytes } from '../../../src/connections/ledger.ts'
import type { NativeHandOff } from '../../../src/connections/native-hand-off.ts'
import type { BoundListener } from '../../../src/ipc/socket-handle.ts'
import type { Lifeline } from '../../../src/rescue/lifeline.ts'
import type { Notes } from '../../../src/rescue/rescue-messages.ts'
import { Events } from '../../../src/telemetry/events.ts'
import { waitFor } from '../../helpers/wait-for.ts'
import { load } from '../support/config-file.ts'
import { LooseHandle } from '../support/handles.ts'
import { keptLog } from '../support/kept-log.ts'
import { nativeModule } from '../support/native-consumer.ts'
import { nativeTest } from '../support/native-test.ts'
import { anywhere } from '../support/pending.ts'
import { BareWorker } from '../support/stage.ts'

const portable = { native: undefined, reason: 'a test' }

/** Connections with settings of their own, and the number of those that have ended. */
function composed(t: TestContext, settings: object = {}) {
  const { log, lines } = keptLog()
  let closed = 0
  const owner = {
    mayHandOut: () => true,
    onClosed: () => {
      closed += 1
    },
  }
  const connections = new Connections(load(t, settings), owner, new Events(log), log, 7, portable)
  // Ends what is queued, and with it the timer of the queue.
  t.after(() => connections.dispatcher.abandon())
  return { connections, lines, closed: () => closed }
}

test('connections are numbered from the next number on, and wait while no worker is idle', (t) => {
  const { connections } = composed(t)
  const worker = new BareWorker(1)
  connections.dispatcher.accept(new LooseHandle(), anywhere)
  assert.equal(connections.status.queue.length, 1)
  connections.handOff.addIdle(worker)
  assert.equal(worker.current.id, 8)
  assert.equal(connections.status.connections.active, 1)
  connections.handOff.lost(worker, { claimed: 8, lastStep: 'served' }, 'a test')
})

test('settings are applied at the start, and later in the same way', (t) => {
  const { connections, lines, closed } = composed(t, { queue: { max: 1 } })
  const accept = () => connections.dispatcher.accept(new LooseHandle(), anywhere)
  accept()
  accept()
  const queued = () => [connections.status.queue.length, connections.status.queue.max]
  assert.deepEqual([queued(), closed()], [[1, 1], 1])
  connections.apply(load(t, { queue: { max: 5 }, log: { access: true } }))
  accept()
  assert.deepEqual(queued(), [2, 5])
  connections.dispatcher.abandon()
  const access = lines.filter(({ kind }) => kind === 'access')
  assert.deepEqual(
    access.map(({ connection, peer, reason }) => [connection, peer, reason]),
    [
      [8, 'unknown', 'dropped'],
      [10, '192.0.2.7:4711', 'dropped'],
    ],
  )
})

test('the counts of a predecessor are included, and its queued connections go on here', (t) => {
  const { connections } = composed(t)
  const { accounts, stats } = connections
  const counts = { ...accounts.counts, accepted: 5, served: 2, queued: 2, active: 1 }
  connections.inherit(counts, stats.totals)
  connections.adopt({
    handle: new LooseHandle(),
    id: 3,
    ageMs: 1_000,
    settings: anywhere.settings,
    preface: undefined,
  })
  assert.deepEqual(connections.status.connections, counts)
  connections.writeOff()
  // One of those that were queued there, and the active one.
  assert.deepEqual(connections.status.connections, { ...counts, queued: 1, active: 0, failed: 2 })
})

const anyPort = { host: '127.0.0.1', port: 0 } as const

/** Connections that go by the native hand-off, with these settings; they listen. */
async function natively(t: TestContext, settings: object = anyPort, mayHandOut = () => true) {
  const native = nativeModule()
  const page = native.openPage(ledgerBytes, true, 'ledger')
  if (typeof page === 'number') throw new Error(`openPage: ${page}`)
  const { log } = keptLog()
  const lifeline = { ledger: new Ledger(page.memory), mark: 'page', fds: [], queue: undefined }
  const left: number[][] = []
  let mayLeave = true
  const keeping = {
    lifeline: Object.assign(lifeline, {
      leave: (_: unknown, bound: readonly BoundListener[]) => {
        if (mayLeave) left.push(bound.map(({ handle }) => handle.fd))
        else throw new Error('Cannot leave the sockets to the workers: sendmsg -109')
      },
    }) as unknown as Lifeline,
    notes: () => ({}) as Notes,
  }
  const config = load(t, settings)
  const owner = { mayHandOut, onClosed: () => {} }
  const choice = { native, reason: 'a test' }
  const connections = new Connections(config, owner, new Events(log), log, 7, choice, keeping)
  const handOff = connections.handOff as NativeHandOff
  t.after(() => {
    connections.dispatcher.abandon()
    handOff.close()
    connections.listeners.close()
    native.close(page.fd)
  })
  await connections.listeners.listen(config.listen)
  /** Whether workers may accept by themselves. */
  const opens = () => {
    handOff.gate.turn()
    const { state } = handOff.gate
    handOff.gate.close()
    return state === 'open'
  }
  const failToLeave = () => {
    mayLeave = false
  }
  return { connections, handOff, opens, left, native, failToLeave }
}

nativeTest(
  'workers may accept by themselves unless something must be known of clients',
  async (t) => {
    assert.equal((await natively(t)).opens(), true)
    for (const settings of [
      { access: { allow: ['127.0.0.1'] } },
      { access: { deny: ['192.0.2.7'] } },
      { access: { maxPerSecond: 1_000_000 } },
      { queue: { maxPerClient: 5 } },
      { log: { access: true } },
    ]) {
      const { opens, connections } = await natively(t, { ...anyPort, ...settings })
      assert.equal(opens(), false, JSON.stringify(settings))
      connections.apply(load(t, anyPort))
      assert.equal(opens(), true, 'as soon as that does not apply any more')
      connections.apply(load(t, { ...anyPort, ...settings }))
      assert.equal(opens(), false, `${JSON.stringify(settings)}, later`)
    }
  },
)

nativeTest('settings that are applied close an open gate, since they may forbid it', async (t) => {
  const { connections, handOff } = await natively(t)
  handOff.gate.turn()
  connections.apply(load(t, { ...anyPort, log: { access: true } }))
  assert.equal(handOff.gate.state, 'closed')
})

nativeTest('workers accept from no more sockets than they have room for', async (t) => {
  const listen = (count: number) => ({
    listen: Array.from({ length: count }, (_, at) => ({ address: `127.0.0.${at + 1}:0` })),
  })
  const { opens, connections } = await natively(t, listen(4))
  assert.equal(connections.listeners.actual.length, 4)
  assert.equal(opens(), true)
  assert.equal((await natively(t, listen(5))).opens(), false)
})

nativeTest('while nothing may be handed out, the gate does not open', async (t) => {
  let may = false
  const { handOff } = await natively(t, anyPort, () => may)
  handOff.gate.turn()
  assert.equal(handOff.gate.state, 'turning')
  may = true
  handOff.gate.check()
  assert.equal(handOff.gate.state, 'open')
})

nativeTest(
  'clients that come while the gate is open wait, and are accepted when it closes',
  async (t) => {
    const { connections, handOff, left, native } = await natively(t)
    const [fd = -1] = left.at(-1) ?? []
    const { port = 0 } = connections.listeners.actual[0] ?? {}
    // It looks at once whether somebody takes those that wait, and closes otherwise: not in this test.
    t.mock.method(globalThis, 'setTimeout', () => ({ unref: () => {} }))
    handOff.gate.turn()
    t.mock.restoreAll()
    const clients = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')]
    t.after(() => clients.forEach((client) => client.destroy()))
    await waitFor('clients that wait', () => native.backlogOf(fd) === 2)
    assert.equal(connections.status.connections.accepted, 0)
    handOff.gate.close()
    assert.equal(connections.status.connections.accepted, 2)
  },
)

nativeTest('after a move, whether cancelled or finished, workers may accept again', async (t) => {
  const { connections, opens } = await natively(t)
  const { listeners } = connections
  const { port = 0 } = listeners.actual[0] ?? {}
  const elsewhere = [{ endpoint: { host: '127.0.0.2', port } }]
  const move = await listeners.move(elsewhere)
  assert.equal(opens(), false)
  await move.cancel()
  assert.equal(opens(), true, 'cancelled')
  const again = await listeners.move(elsewhere)
  await again.finish()
  assert.equal(opens(), true, 'finished')
})

nativeTest(
  'workers that cannot find the listening sockets are not let accept from them',
  async (t) => {
    const { connections, opens, failToLeave } = await natively(t)
    assert.equal(opens(), true)
    failToLeave()
    const { port = 0 } = connections.listeners.actual[0] ?? {}
    const both = [{ endpoint: { host: '127.0.0.2', port } }, { endpoint: anyPort }]
    await (await connections.listeners.move(both)).finish()
    assert.equal(opens(), false)
  },
)
