import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { type ClosedLedger, readLedger } from '../../../src/connections/ledger.ts'
import { NativeSocket } from '../../../src/connections/native-socket.ts'
import { peerOf } from '../../../src/connections/pending-connection.ts'
import { uncounted } from '../../../src/ipc/progress.ts'
import { PageReader, pageBytes } from '../../../src/ipc/worker-page.ts'
import { grantSize } from '../../../src/native/native.ts'
import { waitFor } from '../../helpers/wait-for.ts'
import { handlePair } from '../support/handles.ts'
import { nativeModule, nativeSocketOf } from '../support/native-consumer.ts'
import type { NativeStageLimits } from '../support/native-stage.ts'
import { nativeTest } from '../support/native-test.ts'
import { anywhere } from '../support/pending.ts'
import { BareWorker } from '../support/stage.ts'
import { arrivalStage, TakingWorker } from '../support/taking-worker.ts'
import { arriving, listening } from '../support/waiting-clients.ts'

/** A stage with a listening socket, from which its workers may accept once the gate is open. */
async function gated(t: TestContext, limits: NativeStageLimits = {}) {
  const made = arrivalStage(t, limits)
  const { handOff, endpoints } = made
  const socket = await listening(t)
  const endpoint = endpoints.numbered(anywhere.settings)
  handOff.gate.serve([{ fd: socket.fd, endpoint: endpoint.number }])
  const worker = (number: number) => new TakingWorker(t, number, handOff, [socket.fd])
  const clients = (count = 1) => arriving(t, socket, count)
  // Until it looks for the first time, nothing else happens in the same turn.
  const open = () => {
    handOff.gate.turn()
    assert.equal(handOff.gate.state, 'open')
  }
  const entries = () => readLedger(made.ledgerFd).entries
  return { ...made, socket, worker, connected: clients, open, entries }
}

type Gated = Awaited<ReturnType<typeof gated>>

const dead = { claimed: 0, lastStep: undefined }

nativeTest('a connection that a worker has accepted counts from there to its end', async (t) => {
  const { worker, connected, open, counts, entries, notes, stats } = await gated(t)
  const one = worker(1)
  const [client] = await connected(2)
  open()
  const id = one.takes()
  assert.equal(one.offered.length, 0, 'nobody has looked')
  const { accepted, queued, active } = counts()
  assert.deepEqual([accepted, queued, active], [1, 0, 1])
  assert.ok(one.inHand !== undefined)
  assert.equal(one.inHand.id, id)
  assert.equal(peerOf(one.inHand), `127.0.0.1:${client?.localPort}`)
  assert.equal(one.inHand.endpoint.settings, anywhere.settings)
  const { acceptedAtMs, offeredAtMs } = one.inHand
  assert.ok(acceptedAtMs > 0 && acceptedAtMs <= performance.now())
  assert.ok(offeredAtMs >= acceptedAtMs)
  assert.deepEqual(
    entries().map((entry) => [entry.id, entry.endpoint]),
    [[id, 0]],
  )
  assert.deepEqual([counts().accepted, counts().active], [1, 1], 'it is counted once')
  const before = notes()
  one.ends()
  assert.deepEqual([counts().accepted, counts().served, counts().active], [1, 1, 0])
  assert.deepEqual([one.served, one.inHand, entries()], [1, undefined, []])
  assert.ok(notes() > before, 'whoever waits for its end is told')
  assert.equal(
    stats.totals.handling.counts.reduce((sum, each) => sum + each),
    1,
  )
})

nativeTest('connections that a worker has accepted and ended meanwhile are counted', async (t) => {
  const { worker, connected, open, counts, lines, stats, entries } = await gated(t)
  const one = worker(1)
  const two = worker(2)
  const clients = await connected(6)
  open()
  const ids: (number | undefined)[] = []
  for (const step of ['served', 'failed', 'gone', 'served'] as const) {
    ids.push(one.takes())
    one.ends(step)
  }
  ids.push(two.takes())
  two.ends()
  ids.push(one.takes())
  const { accepted, served, failed, gone, active } = counts()
  assert.deepEqual([accepted, served, failed, gone, active], [6, 3, 1, 1, 1])
  assert.equal(new Set(ids).size, 6)
  assert.deepEqual([one.served, two.served, one.inHand?.id], [2, 1, ids[5]])
  assert.deepEqual([one.faults, two.faults], [[], []])
  assert.equal(stats.totals.failures?.['handler-error'], 1)
  const failure = lines.find(({ msg }) => msg === 'Connection failed')
  assert.deepEqual([failure?.connection, failure?.reason], [ids[1], 'handler-error'])
  const told = lines.find(({ kind }) => kind === 'failures')
  assert.equal(told?.peer, `127.0.0.1:${clients[1]?.localPort}`)
  assert.deepEqual(
    entries().map(({ id }) => id),
    [ids[5]],
  )
})

nativeTest('whenever the primary is killed, each connection is counted once', async (t) => {
  const { worker, connected, open, counts, ledger, ledgerFd, dispatcher } = await gated(t)
  const one = worker(1)
  await connected(4)
  open()
  for (let ended = 0; ended < 3; ended += 1) {
    one.takes()
    one.ends(ended === 1 ? 'failed' : 'served')
  }
  one.takes()
  /** What the next primary finds: it reads on behind those that are seen, and writes off what it finds nowhere. */
  const looks: number[] = []
  const look = () => {
    const { counts: kept, entries, grants } = readLedger(ledgerFd)
    const [row] = grants
    const { accepted, served, failed } = kept
    assert.equal(accepted, row?.seen)
    assert.equal(accepted, served + failed + entries.length)
    looks.push(accepted)
  }
  const lookAround = <Host extends object>(host: Host, ...names: (keyof Host)[]) => {
    for (const name of names) {
      const act = (host[name] as (...args: unknown[]) => unknown).bind(host)
      const looking = (...args: unknown[]) => {
        look()
        const result = act(...args)
        look()
        return result
      }
      Object.assign(host, { [name]: looking })
    }
  }
  lookAround(ledger, 'begin', 'noteSeen', 'enter', 'remove')
  lookAround(dispatcher, 'resume', 'close')
  assert.deepEqual([counts().accepted, counts().served, counts().active], [4, 2, 1])
  assert.deepEqual(new Set(looks), new Set([0, 1, 2, 3, 4]))
})

nativeTest('the times that a worker tells are those that can be true', async (t) => {
  const { worker, connected, open, counts, stats } = await gated(t)
  const [one, two] = [worker(1), worker(2)]
  await connected(3)
  const openedAtMs = performance.now()
  open()
  const tell = (by: TakingWorker, ms: number) => {
    by.takes()
    new DataView(by.memory).setFloat64(16, ms, true)
    counts()
  }
  for (const [by, ms] of [
    [one, Number.NEGATIVE_INFINITY],
    [two, Number.POSITIVE_INFINITY],
  ] as const) {
    tell(by, ms)
    assert.ok((by.inHand?.acceptedAtMs ?? 0) > openedAtMs - 60_000, `${ms} is believed`)
    assert.ok((by.inHand?.acceptedAtMs ?? 0) <= performance.now())
    by.ends()
  }
  counts()
  const { wait, handling } = stats.totals
  assert.ok([wait, handling].every(({ sumSeconds }) => sumSeconds >= 0 && sumSeconds < 60))
  // One that has ended is no better.
  one.takes()
  const { ticket } = one.page
  const report = { step: 'served', reason: 'none', id: ticket.id, ...uncounted } as const
  one.page.record(report, ticket, 1, Number.POSITIVE_INFINITY)
  counts()
  assert.equal(one.faults.length, 1)
})

nativeTest('a worker that keeps a connection for long does not count as ready', async (t) => {
  const { handOff, worker, connected, open, counts } = await gated(t)
  const [one, two] = [worker(1), worker(2)]
  await connected(1)
  open()
  one.takes()
  counts()
  assert.equal(handOff.workers.ready.length, 2)
  await waitFor('ten milliseconds', () => handOff.workers.ready.length === 1)
  assert.equal(handOff.workers.ready[0]?.page.nonce, new PageReader(two.memory).nonce)
  one.ends()
  counts()
  assert.equal(handOff.workers.ready.length, 2)
})

nativeTest('what this process accepts has other numbers than what workers accept', async (t) => {
  const { handOff, worker, connected, open, counts, arrive, dispatcher } = await gated(t)
  const one = worker(1)
  await connected(1)
  open()
  assert.equal(one.takes(), 1)
  one.ends()
  await arrive(1)
  assert.equal(handOff.gate.state, 'closed')
  assert.equal(dispatcher.lastId, 2 * grantSize + 1)
  assert.equal(one.takes(), 2 * grantSize + 1)
  one.ends()
  assert.deepEqual([counts().accepted, counts().served], [2, 2])
})

nativeTest('a worker is granted more as long as it accepts', async (t) => {
  const { handOff, dispatcher, worker, connected, open, counts } = await gated(t)
  const one = worker(1)
  const reserve = (count: number) => dispatcher.reserve(count)
  let served = 0
  while (served < 3 * grantSize) {
    await connected(128)
    if (handOff.gate.state === 'closed') open()
    // What a look of the gate does.
    handOff.settle()
    for (const link of handOff.workers.ready) link.grant(reserve)
    for (let each = 0; each < 128; each += 1) {
      assert.ok(one.takes() !== undefined)
      one.ends()
      served += 1
    }
    assert.equal(counts().served, served)
  }
  assert.deepEqual(one.faults, [])
})

nativeTest('a worker that dies with a connection that it has accepted has lost it', async (t) => {
  const { handOff, worker, connected, open, counts, lines, stats, ledgerFd } = await gated(t)
  const one = worker(1)
  const two = worker(2)
  const [client] = await connected(2)
  open()
  one.takes()
  // Nothing but the page tells of it.
  handOff.settle()
  handOff.lost(one, dead, 'killed by SIGKILL')
  const { accepted, failed, active } = counts()
  assert.deepEqual([accepted, failed, active], [1, 1, 0])
  const lost = lines.find(({ msg }) => msg === 'Connection lost with its worker')
  assert.equal(lost?.peer, `127.0.0.1:${client?.localPort}`)
  assert.equal(stats.totals.failures?.['worker-died'], 1)
  const { grants } = readLedger(ledgerFd)
  assert.equal(grants.length, 1, 'it needs no grants any more')
  assert.ok(two.takes() !== undefined)
  assert.equal(counts().active, 1)
})

nativeTest('a worker that dies before anybody has come has lost nobody', async (t) => {
  const { handOff, worker, open, counts } = await gated(t)
  const one = worker(1)
  open()
  assert.equal(one.takes(), undefined)
  handOff.settle()
  handOff.lost(one, dead, 'killed by SIGKILL')
  assert.deepEqual([counts().accepted, counts().failed], [0, 0])
})

nativeTest(
  'a worker that was about to accept when the gate closes is counted as well',
  async (t) => {
    const { handOff, worker, connected, open, counts } = await gated(t)
    const one = worker(1)
    await connected(1)
    open()
    const id = one.takes()
    handOff.gate.close()
    assert.equal(counts().active, 1)
    assert.equal(one.inHand?.id, id)
    one.ends()
    assert.deepEqual([counts().served, counts().active, one.faults], [1, 0, []])
  },
)

const forged = (id: number) => ({ step: 'served', reason: 'none', id, ...uncounted }) as const

for (const [what, forge] of [
  ['another number', (own) => ({ ...own, id: own.id + 1 })],
  ['a number that has ended', (own) => ({ ...own, id: own.id - 1 })],
  ['another nonce', (own) => ({ ...own, nonce: own.nonce ^ 1 })],
  ['an endpoint that there is not', (own) => ({ ...own, endpoint: 1 })],
] as const satisfies readonly (readonly [string, (own: Ticket) => Ticket])[]) {
  nativeTest(`a record of a connection with ${what} is not believed`, async (t) => {
    const { handOff, worker, connected, open, counts } = await gated(t)
    const one = worker(1)
    await connected(3)
    open()
    one.takes()
    one.ends()
    assert.equal(counts().served, 1)
    const { ticket } = one.page
    const next = { ...ticket, id: ticket.id + 1 }
    const told = forge(next)
    one.page.record(forged(told.id), told, 1, 2)
    const { accepted, served, failed } = counts()
    assert.deepEqual([accepted, served, failed], [1, 1, 0])
    assert.deepEqual(one.faults, ['it wrote invalid data into its page'])
    // What is true counts in any case.
    handOff.settle()
    assert.equal(one.takes(), next.id)
    one.ends('failed')
    assert.deepEqual([counts().accepted, counts().failed], [2, 1])
  })
}

interface Ticket {
  readonly id: number
  readonly nonce: number
  readonly endpoint: number
}

nativeTest('a worker cannot report on what another one may accept', async (t) => {
  const { worker, connected, open, counts } = await gated(t)
  const one = worker(1)
  const two = worker(2)
  await connected(1)
  open()
  one.takes()
  two.page.record(forged(one.page.ticket.id), one.page.ticket, 1, 2)
  assert.deepEqual([counts().served, counts().active], [0, 1])
  assert.deepEqual([one.faults, two.faults], [[], ['it wrote invalid data into its page']])
  one.ends()
  assert.deepEqual([counts().accepted, counts().served], [1, 1])
})

nativeTest('a connection with an unknown endpoint is nobody’s, even in hand', async (t) => {
  const { handOff, worker, connected, counts, socket } = await gated(t)
  const one = worker(1)
  await connected(1)
  handOff.gate.serve([{ fd: socket.fd, endpoint: 9 }])
  handOff.gate.turn()
  assert.ok(one.takes() !== undefined)
  assert.deepEqual([counts().accepted, one.inHand], [0, undefined])
})

nativeTest('one that a worker gave up without a record has failed', async (t) => {
  const { worker, connected, open, counts } = await gated(t)
  const one = worker(1)
  await connected(2)
  open()
  one.takes()
  assert.equal(counts().active, 1)
  one.drops()
  one.takes()
  counts()
  assert.deepEqual(one.faults, ['it did not record how a connection ended'])
})

nativeTest(
  'a connection that this process has closes the gate, and goes by the queue',
  async (t) => {
    const { handOff, worker, connected, open, counts, dispatcher } = await gated(t)
    const one = worker(1)
    await connected(1)
    const { handle } = await handlePair(t)
    open()
    dispatcher.accept(nativeSocketOf(handle), anywhere)
    assert.equal(handOff.gate.state, 'closed')
    handOff.settle()
    const id = one.takes()
    assert.equal(id, dispatcher.lastId, 'those at the socket must wait')
    assert.deepEqual([counts().accepted, counts().active], [1, 1])
  },
)

nativeTest('the gate follows the workers that take connections', async (t) => {
  const { handOff, worker, connected, open } = await gated(t)
  await connected(2)
  open()
  const one = worker(1)
  assert.ok(one.takes() !== undefined, 'one that is added may accept at once')
  one.ends()
  handOff.removeIdle(one)
  assert.equal(one.takes(), undefined)
  handOff.addIdle(one)
  assert.ok(one.takes() !== undefined)
})

nativeTest('it opens when handlers were short, and closes with the hand-off', async (t) => {
  const { handOff, worker, arrive } = await gated(t)
  const one = worker(1)
  const state = () => handOff.gate.state
  // The mean must be short, and the machine may be busy at any moment.
  await waitFor('it to open', async () => {
    await arrive(25)
    for (let served = 0; served < 25; ) {
      if (one.takes() === undefined) handOff.settle()
      else {
        one.ends()
        served += 1
      }
    }
    handOff.settle()
    assert.equal(state(), 'closed')
    handOff.gate.consider()
    return state() === 'open'
  })
  handOff.recall()
  assert.equal(state(), 'closed', 'whoever recalls wants the first in line')
  handOff.gate.turn()
  handOff.permit(1)
  assert.equal(state(), 'open', 'they may not take any, and that is no concern of the gate')
  handOff.close = () => {}
  handOff.gate.withdraw()
  assert.equal(state(), 'closed')
})

/** The next primary, after that of `before` was killed: with what its ledger says. */
async function following(t: TestContext, before: Gated, ledger: ClosedLedger) {
  const native = nativeModule()
  const { feeding, taking } = before.handOff.queue
  const given = { feeding: native.duplicate(feeding), taking: native.duplicate(taking) }
  const next = await gated(t, { given })
  const connections = ledger.entries.map(({ id, turn, nonce, address }) => {
    const handle = new NativeSocket(native, -1, address)
    return Object.assign(next.dispatcher.resume(id, handle, anywhere, 0), { turn, nonce })
  })
  next.handOff.adopt(connections, ledger.grants)
  const follow = (worker: TakingWorker) => {
    const memory = native.mapPage(worker.pageFd, pageBytes)
    assert.ok(typeof memory === 'object')
    const orphan = new BareWorker(worker.number)
    next.handOff.follow(orphan, new PageReader(memory))
    return orphan
  }
  return { ...next, follow }
}

/** A worker to which the gate was open when its primary died, with one client; and the next primary. */
async function leftBehind(t: TestContext, before: (worker: TakingWorker) => void = () => {}) {
  const first = await gated(t)
  const one = first.worker(1)
  await first.connected(1)
  first.open()
  before(one)
  return { one, next: await following(t, first, readLedger(first.ledgerFd)) }
}

nativeTest(
  'the next primary counts what the dead one had not seen, and nothing twice',
  async (t) => {
    const first = await gated(t)
    const one = first.worker(1)
    const two = first.worker(2)
    const idle = first.worker(3)
    const clients = await first.connected(8)
    first.open()
    one.takes()
    one.ends()
    two.takes()
    idle.takes()
    idle.ends()
    assert.deepEqual(
      [first.counts().accepted, first.counts().served, first.counts().active],
      [3, 2, 1],
    )
    // From here on, that primary does nothing any more.
    const ledger = readLedger(first.ledgerFd)
    assert.deepEqual([ledger.grants.length, ledger.entries.length], [3, 1])
    two.ends('failed')
    one.takes()
    one.ends()
    one.takes()
    one.ends('failed')
    const inHand = one.takes()

    const next = await following(t, first, ledger)
    // What was in hand is the only one that it knows at first.
    assert.equal(next.counts().accepted, 1)
    const [orphan, other] = [next.follow(one), next.follow(two)]
    // Two of the first worker that have ended, one that has not, and the one of the second.
    const { accepted, served, failed, active } = next.counts()
    assert.deepEqual([accepted, served, failed, active], [4, 1, 2, 1])
    assert.equal(orphan.inHand?.id, inHand)
    assert.equal(orphan.inHand && peerOf(orphan.inHand), `127.0.0.1:${clients[5]?.localPort}`)
    assert.equal(next.follow(idle).inHand, undefined)
    assert.deepEqual([orphan.faults, other.faults], [[], []])
    one.ends()
    assert.deepEqual([next.counts().accepted, next.counts().served], [4, 2])

    // And the one after that goes on from there.
    one.takes()
    const last = readLedger(next.ledgerFd)
    assert.deepEqual(
      last.grants.map(({ seen }) => seen).toSorted((a, b) => a - b),
      [1, 1, 4],
    )
    assert.equal(last.entries.length, 0)
    const third = await following(t, next, last)
    const again = third.follow(one)
    third.follow(two)
    assert.deepEqual([third.counts().accepted, third.counts().active], [1, 1])
    one.ends()
    assert.deepEqual([third.counts().served, again.faults], [1, []])
  },
)

nativeTest('a connection that both primaries know is one', async (t) => {
  const first = await gated(t)
  const one = first.worker(1)
  await first.connected(1)
  first.open()
  const id = one.takes()
  first.counts()
  const next = await following(t, first, readLedger(first.ledgerFd))
  const orphan = next.follow(one)
  assert.deepEqual([next.counts().accepted, next.counts().active], [1, 1])
  assert.equal(orphan.inHand?.id, id)
  one.ends()
  assert.deepEqual([next.counts().served, next.counts().active, orphan.served], [1, 0, 1])
})

nativeTest('a worker of a dead primary that dies as well takes its grants with it', async (t) => {
  const { one, next } = await leftBehind(t, (worker) => worker.takes())
  const orphan = next.follow(one)
  assert.equal(readLedger(next.ledgerFd).grants.length, 1)
  next.handOff.lost(orphan, dead, 'killed by SIGKILL')
  assert.deepEqual([next.counts().accepted, next.counts().failed], [1, 1])
  assert.deepEqual(readLedger(next.ledgerFd).grants, [])
  assert.deepEqual(readLedger(next.ledgerFd).entries, [])
})

nativeTest('grants of a worker whose nonce the page does not have are nobody’s', async (t) => {
  const first = await gated(t)
  const one = first.worker(1)
  const two = first.worker(2)
  await first.connected(2)
  first.open()
  one.takes()
  two.takes()
  const ledger = readLedger(first.ledgerFd)
  const own = ledger.grants.filter(({ nonce }) => nonce === one.page.ticket.nonce)
  const next = await following(t, first, { ...ledger, grants: own })
  const unknown = next.follow(two)
  assert.deepEqual([next.counts().accepted, unknown.inHand], [0, undefined])
  next.follow(one)
  assert.equal(next.counts().accepted, 1)
})

nativeTest('what a worker accepts after the next primary has found it counts there', async (t) => {
  const { one, next } = await leftBehind(t)
  const orphan = next.follow(one)
  assert.equal(next.counts().accepted, 0)
  const id = one.takes()
  assert.deepEqual([next.counts().accepted, orphan.inHand?.id], [1, id])
  one.ends()
  assert.deepEqual([next.counts().accepted, next.counts().served], [1, 1])
})

nativeTest('two workers of a dead primary cannot have the same grants', async (t) => {
  const { one, next } = await leftBehind(t)
  const orphan = next.follow(one)
  const other = next.follow(one)
  one.takes()
  one.ends()
  assert.deepEqual([next.counts().accepted, next.counts().served], [1, 1])
  assert.deepEqual([orphan.faults.length, other.faults.length], [0, 1])
})

nativeTest('while somebody waits in this process, the gate does not open', async (t) => {
  const { handOff, worker, arrive, queue } = await gated(t)
  const proxied = { number: 1, settings: { ...anywhere.settings, proxyProtocol: true } } as const
  await arrive(1)
  assert.equal(queue.length, 1)
  handOff.gate.turn()
  assert.equal(handOff.gate.state, 'turning')
  const one = worker(1)
  assert.equal(queue.length, 0)
  handOff.gate.check()
  assert.equal(handOff.gate.state, 'turning', 'it is not in the queue of the kernel yet')
  handOff.settle()
  handOff.gate.check()
  assert.equal(handOff.gate.state, 'open')
  assert.ok(one.takes() !== undefined)

  handOff.gate.close()
  await arrive(1, proxied)
  handOff.gate.turn()
  assert.equal(handOff.gate.state, 'turning', 'the header of one is awaited')
})

nativeTest('a connection that is in hand when the gate closes is seen to end', async (t) => {
  const { handOff, worker, connected, open, counts, accounts } = await gated(t)
  const one = worker(1)
  await connected(1)
  open()
  one.takes()
  assert.equal(counts().active, 1)
  handOff.gate.close()
  one.ends()
  // Nobody asks: the hand-off looks by itself, as for any other connection.
  await waitFor('its end to be counted', () => accounts.counts.served === 1, 2_000)
})

nativeTest('a connection that is accepted while the gate closes is seen', async (t) => {
  const { handOff, worker, connected, open, accounts } = await gated(t)
  const one = worker(1)
  await connected(1)
  open()
  one.takes()
  handOff.gate.close()
  await waitFor('it to be counted', () => accounts.counts.active === 1, 2_000)
})
