import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Connections } from '../../../src/connections/connections.ts'
import { Events } from '../../../src/telemetry/events.ts'
import { load } from '../support/config-file.ts'
import { LooseHandle } from '../support/handles.ts'
import { keptLog } from '../support/kept-log.ts'
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
