import assert from 'node:assert/strict'
import { constants } from 'node:os'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { readLedger } from '../../../src/connections/ledger.ts'
import { NativeSocket } from '../../../src/connections/native-socket.ts'
import { peerOf } from '../../../src/connections/pending-connection.ts'
import { uncounted } from '../../../src/ipc/progress.ts'
import { PageReader, pageBytes } from '../../../src/ipc/worker-page.ts'
import { errnos } from '../../../src/native/native.ts'
import { waitFor } from '../../helpers/wait-for.ts'
import { handlePair } from '../support/handles.ts'
import { nativeModule } from '../support/native-consumer.ts'
import { nativeTest } from '../support/native-test.ts'
import { anywhere } from '../support/pending.ts'
import { binaryHeader, families, field } from '../support/proxy-headers.ts'
import { BareWorker } from '../support/stage.ts'
import { arrivalStage, TakingWorker } from '../support/taking-worker.ts'

nativeTest(
  'connections are taken in their order, by whoever is free, and every count is right at any time',
  async (t) => {
    const { handOff, arrive, counts, queue } = arrivalStage(t)
    const one = new TakingWorker(t, 1, handOff)
    const two = new TakingWorker(t, 2, handOff)
    await arrive(60)
    assert.ok(queue.length > 0, 'the queue of the kernel is short')
    assert.equal(counts().queued, 60)
    assert.equal(handOff.waiting + queue.length, 58, 'two workers are idle')
    assert.deepEqual([one.takes(), two.takes()], [1, 2])
    assert.deepEqual([counts().queued, counts().active], [58, 2])
    assert.deepEqual([one.inHand?.id, two.inHand?.id], [1, 2])
    two.ends()
    assert.deepEqual([counts().served, counts().active, two.served], [1, 1, 1])
    const taken: (number | undefined)[] = []
    await waitFor('all others', () => {
      const id = two.takes()
      if (id === undefined) return false
      taken.push(id)
      two.ends(id % 2 === 0 ? 'failed' : 'served')
      return id === 60
    })
    assert.deepEqual(
      taken,
      Array.from({ length: 58 }, (_, at) => at + 3),
    )
    one.ends('gone')
    const { served, failed, gone, queued, active } = counts()
    assert.deepEqual([served, failed, gone, queued, active], [30, 29, 1, 0, 0])
  },
)

nativeTest('a worker that dies has taken one connection or none', async (t) => {
  const { handOff, arrive, counts, lines } = arrivalStage(t)
  const one = new TakingWorker(t, 1, handOff)
  const two = new TakingWorker(t, 2, handOff)
  await arrive(3)
  one.takes()
  // Nothing but the kernel knows of it at this moment.
  handOff.settle()
  handOff.lost(one, { claimed: 0, lastStep: undefined }, 'killed by SIGKILL')
  assert.deepEqual([counts().failed, counts().queued], [1, 2])
  const lost = lines.find(({ msg }) => msg === 'Connection lost with its worker')
  assert.equal(lost?.connection, 1)
  assert.match(String(lost?.peer), /^127\.0\.0\.1:\d+$/)
  assert.ok(Number(lost?.ageMs) >= 0)
  handOff.lost(two, { claimed: 0, lastStep: undefined }, 'killed by SIGKILL')
  assert.deepEqual([counts().failed, counts().queued], [1, 2], 'the others wait for another worker')
  const three = new TakingWorker(t, 3, handOff)
  assert.equal(three.takes(), 2)
})

nativeTest(
  'no more wait than may, those in the kernel included, and none beside an idle worker is turned away',
  async (t) => {
    const { handOff, arrive, counts } = arrivalStage(t, { max: 3 })
    const one = new TakingWorker(t, 1, handOff)
    await arrive(1)
    one.takes()
    await arrive(5)
    assert.deepEqual([counts().active, counts().queued, counts().shed], [1, 3, 2])
    one.ends()
    one.takes()
    await arrive(2)
    assert.deepEqual(
      [counts().served, counts().active, counts().queued, counts().shed],
      [1, 1, 3, 3],
    )
  },
)

nativeTest(
  'a connection that has ended does not count for its client, whenever that is learned',
  async (t) => {
    const { handOff, arrive, counts } = arrivalStage(t, { maxPerClient: 1 })
    const one = new TakingWorker(t, 1, handOff)
    await arrive(1)
    one.takes()
    one.ends()
    await arrive(2)
    assert.deepEqual([counts().served, counts().queued, counts().shed], [1, 1, 1])
  },
)

nativeTest('a connection that waits too long in the kernel expires, too', async (t) => {
  const { handOff, arrive, counts, clients } = arrivalStage(t, { maxWaitMs: 100 })
  const one = new TakingWorker(t, 1, handOff)
  await arrive(2)
  one.takes()
  const ended = new Promise((resolve) => clients[1]?.once('close', resolve).resume())
  await waitFor('the expiry', () => counts().expired === 1)
  clients[1]?.end()
  await ended
  assert.deepEqual([counts().active, counts().queued], [1, 0])
  one.ends()
  assert.equal(one.takes(), undefined)
})

nativeTest('a client that leaves the queue of the kernel is found there', async (t) => {
  const { handOff, arrive, counts, clients, dispatcher } = arrivalStage(t)
  const one = new TakingWorker(t, 1, handOff)
  await arrive(4)
  one.takes()
  clients[2]?.resetAndDestroy()
  await waitFor('the client to be gone', () => {
    dispatcher.probe(0)
    return counts().gone === 1
  })
  one.ends()
  assert.equal(one.takes(), 2)
  one.ends()
  assert.equal(one.takes(), 4)
})

nativeTest(
  'what is dropped is dropped in the kernel, too, and only what no worker has',
  async (t) => {
    const { handOff, arrive, counts, dispatcher } = arrivalStage(t)
    const one = new TakingWorker(t, 1, handOff)
    await arrive(15)
    one.takes()
    assert.equal(dispatcher.abandon('shed'), 14)
    assert.deepEqual([counts().shed, counts().active, counts().queued], [14, 1, 0])
    one.ends()
    assert.equal(one.takes(), undefined)
  },
)

nativeTest(
  'a withdrawn connection is the first in line, and can be sent to another process',
  async (t) => {
    const { handOff, arrive, dispatcher, clients } = arrivalStage(t)
    const one = new TakingWorker(t, 1, handOff)
    await arrive(3)
    assert.equal(one.takes(), 1)
    const withdrawn = dispatcher.withdraw()
    assert.equal(withdrawn?.id, 2)
    const lent = withdrawn?.handle.lend?.()
    assert.equal(lent?.remotePort, clients[1]?.localPort)
    lent?.destroy()
    assert.ok(withdrawn !== undefined)
    dispatcher.putBack(withdrawn)
    dispatcher.pump()
    // It leaves at the end of this turn.
    await nextTurn()
    one.ends()
    assert.equal(one.takes(), 2)
  },
)

nativeTest('a worker that may not take connections takes none until it may', async (t) => {
  const { handOff, arrive } = arrivalStage(t)
  const one = new TakingWorker(t, 1, handOff)
  handOff.permit(nativeModule().now() - 1)
  await arrive(1)
  assert.equal(one.takes(), undefined)
  handOff.permit(nativeModule().now() + 60_000)
  assert.equal(one.takes(), 1)
})

nativeTest('records of connections that a worker does not have are not believed', async (t) => {
  const { handOff, arrive, counts } = arrivalStage(t)
  const one = new TakingWorker(t, 1, handOff)
  const two = new TakingWorker(t, 2, handOff)
  await arrive(2)
  assert.equal(one.takes(), 1)
  assert.equal(two.takes(), 2)
  handOff.settle()
  const forged = { step: 'served', reason: 'none', id: 1, ...uncounted } as const
  two.page.record(forged, { ...two.page.ticket, id: 1 }, 1, 2)
  assert.deepEqual([counts().served, counts().active], [0, 2])
  assert.deepEqual([one.faults, two.faults], [[], ['it wrote invalid data into its page']])
  // Its own connection still ends as it does.
  two.ends()
  one.ends()
  assert.deepEqual([counts().served, counts().active], [2, 0])
})

nativeTest('a worker that goes on while its page is read is not blamed for it', async (t) => {
  const { native, handOff, arrive, counts } = arrivalStage(t)
  const one = new TakingWorker(t, 1, handOff)
  await arrive(3)
  one.takes()
  const module = nativeModule()
  native.peek = (...args) => {
    native.peek = (...again) => module.peek(...again)
    // The records were counted just before.
    one.ends()
    one.takes()
    return module.peek(...args)
  }
  const { served, active } = counts()
  assert.deepEqual([served, active], [0, 2], 'the end of the first was not read yet')
  assert.deepEqual([counts().served, counts().active, one.faults], [1, 1, []])
  one.ends()
  assert.deepEqual([counts().served, counts().active, one.faults], [2, 0, []])
})

nativeTest('a page that is full of garbage costs nobody anything', async (t) => {
  const { handOff, arrive, counts } = arrivalStage(t)
  const one = new TakingWorker(t, 1, handOff)
  await arrive(1)
  one.takes()
  for (let count = 0; count < 300; count += 1) {
    const id = count % 2 === 0 ? Number.NaN : -count
    const report = {
      step: 'served',
      reason: 'none',
      id,
      bytesIn: -1,
      bytesOut: Number.NaN,
    } as const
    one.page.record(report, { id, nonce: 0, endpoint: 0 }, 9, 1)
  }
  assert.deepEqual([counts().served, counts().active], [0, 1])
  assert.equal(one.faults.length, 1)
  one.ends()
  assert.equal(counts().served, 1)
})

nativeTest('a lack that lasts is logged once, and nobody is lost by it', async (t) => {
  const { native, handOff, arrive, counts, lines } = arrivalStage(t)
  const one = new TakingWorker(t, 1, handOff)
  let tries = 0
  native.offer = () => {
    tries += 1
    return errnos.tooManyRefs
  }
  await arrive(2)
  await waitFor('some tries', () => tries >= 5)
  const told = lines.filter(({ level }) => level === 'error').map(({ msg }) => msg)
  assert.equal(told.length, 1)
  assert.match(String(told[0]), /^Cannot hand off connections: the user has more descriptors/)
  Object.assign(native, nativeModule())
  await waitFor('a connection', () => one.takes() !== undefined)
  assert.deepEqual([counts().queued, counts().active], [1, 1])
})

nativeTest('a socket of Node that cannot be taken over waits, with its client', async (t) => {
  const { native, handOff, dispatcher, counts, lines } = arrivalStage(t)
  const one = new TakingWorker(t, 1, handOff)
  native.duplicate = () => -constants.errno.EMFILE
  const { handle, client } = await handlePair(t)
  dispatcher.accept(handle, anywhere)
  assert.equal(counts().queued, 1)
  assert.match(String(lines.at(-1)?.msg), /^Cannot hand off connections: EMFILE; they wait/)
  Object.assign(native, nativeModule())
  await waitFor('the connection', () => one.takes() === 1)
  client.destroy()
})

nativeTest('a queue that an app shuts down is replaced, and its workers with it', async (t) => {
  const { native, handOff, arrive, counts, lines } = arrivalStage(t)
  const one = new TakingWorker(t, 1, handOff)
  await arrive(1)
  native.offer = () => errnos.brokenPipe
  await arrive(1)
  Object.assign(native, nativeModule())
  assert.deepEqual(one.faults, ['an app has shut down the queue'])
  handOff.lost(one, { claimed: 0, lastStep: undefined }, 'a test')
  const two = new TakingWorker(t, 2, handOff)
  await waitFor('the connections', () => two.takes() !== undefined)
  assert.equal(
    lines.some(({ msg }) => String(msg).startsWith('Cannot hand off')),
    true,
  )
  assert.equal(counts().active, 1)
})

nativeTest('another primary goes on with what one had handed off when it was killed', async (t) => {
  const dead = arrivalStage(t)
  const one = new TakingWorker(t, 1, dead.handOff)
  await dead.arrive(4)
  one.takes()
  one.ends()
  assert.equal(dead.counts().served, 1)
  // From here on, that primary does nothing any more.
  one.takes()
  one.ends()
  one.takes()
  const native = nativeModule()
  const { feeding, taking } = dead.handOff.queue
  const given = { feeding: native.duplicate(feeding), taking: native.duplicate(taking) }
  const next = arrivalStage(t, { given })
  const { counts: before, entries } = readLedger(dead.ledgerFd)
  assert.deepEqual([before.accepted, before.served], [4, 1])
  const connections = entries.map(({ id, turn, nonce, address }) => {
    const handle = new NativeSocket(native, -1, address)
    return Object.assign(next.dispatcher.resume(id, handle, anywhere, 0), { turn, nonce })
  })
  next.handOff.adopt(connections, [])
  assert.deepEqual([next.counts().queued, next.counts().active], [1, 2])

  const orphan = new BareWorker(1)
  const memory = native.mapPage(one.pageFd, pageBytes)
  assert.ok(typeof memory === 'object')
  next.handOff.follow(orphan, new PageReader(memory))
  const counts = next.counts()
  assert.deepEqual([counts.served, counts.queued, counts.active], [1, 1, 1])
  assert.equal(orphan.inHand?.id, 3)
  assert.deepEqual(orphan.faults, [])
  one.ends()
  assert.equal(next.counts().served, 2)

  // The last one goes to a worker of the new primary; after it, turns go on.
  const two = new TakingWorker(t, 2, next.handOff)
  await next.arrive(1)
  assert.equal(two.takes(), 4)
  two.ends()
  assert.ok(two.takes() !== undefined)
  two.ends()
  assert.deepEqual([next.counts().accepted, next.counts().served], [4, 4])
  assert.equal(readLedger(next.ledgerFd).entries.length, 0)
})

const behindProxy = {
  number: 1,
  settings: { endpoint: { host: '127.0.0.1', port: 30_154 }, proxyProtocol: true },
} as const

/** A header of the longest kind, and what a client says behind it. */
function headerOf(client: string, bytes = 0): string {
  const [address, port] = [Buffer.from(client.split('.').map(Number)), Buffer.from([0x15, 0xb3])]
  const addresses = Buffer.concat([address, address, port, port])
  const padding = field(0x04, Buffer.alloc(bytes))
  return binaryHeader(1, families.tcp4, addresses, padding).toString('latin1')
}

nativeTest(
  'the header of a proxy goes through the queue, in the order of all connections',
  async (t) => {
    const { handOff, arrive, clients, counts, queue } = arrivalStage(t)
    const one = new TakingWorker(t, 1, handOff)
    await arrive(1)
    assert.equal(one.takes(), 1)
    assert.equal(counts().active, 1)
    const expected: string[] = []
    for (let at = 1; at <= 12; at += 1) {
      const isProxied = at % 3 !== 0
      await arrive(1, isProxied ? behindProxy : anywhere)
      const says = isProxied ? `${headerOf(`192.0.2.${at}`, 16_000)}hello ${at}` : ''
      expected.push(says)
      if (isProxied) clients.at(-1)?.write(says, 'latin1')
      await waitFor('it waits', () => handOff.waiting + queue.length === at)
    }
    for (const [at, says] of expected.entries()) {
      one.ends()
      await waitFor('the next', () => counts() && one.takes() === at + 2)
      assert.equal(one.first, says)
    }
    one.ends()
    assert.equal(counts().served, 13)
  },
)

nativeTest('a header that a predecessor has read goes to a worker, too', async (t) => {
  const { handOff, dispatcher } = arrivalStage(t)
  const one = new TakingWorker(t, 1, handOff)
  const { handle, client } = await handlePair(t)
  const says = `${headerOf('192.0.2.7')}hello`
  dispatcher.adopt(9, handle, behindProxy, 1, Buffer.from(says, 'latin1'))
  await waitFor('the connection', () => one.takes() === 9)
  assert.equal(one.first, says)
  client.destroy()
})

nativeTest('another primary knows the client behind the proxy, and has the header', async (t) => {
  const dead = arrivalStage(t)
  const one = new TakingWorker(t, 1, dead.handOff)
  await dead.arrive(1)
  one.takes()
  dead.counts()
  await dead.arrive(1, behindProxy)
  const says = `${headerOf('192.0.2.7')}hello`
  dead.clients.at(-1)?.write(says, 'latin1')
  await waitFor('it waits', () => dead.handOff.waiting === 1)
  const native = nativeModule()
  const { feeding, taking } = dead.handOff.queue
  const given = { feeding: native.duplicate(feeding), taking: native.duplicate(taking) }
  const next = arrivalStage(t, { given, maxPerClient: 1 })
  const [, entry] = readLedger(dead.ledgerFd).entries
  assert.ok(entry !== undefined)
  const { id, turn, nonce, address } = entry
  const handle = new NativeSocket(native, -1, address)
  const resumed = next.dispatcher.resume(id, handle, behindProxy, 0)
  next.handOff.adopt([Object.assign(resumed, { turn, nonce })], [])
  assert.equal(peerOf(resumed), '192.0.2.7:5555')
  assert.equal(resumed.countedAs, '192.0.2.7')
  // It goes back to the queue of that primary, and from there to a worker.
  const withdrawn = next.dispatcher.withdraw()
  assert.equal(withdrawn?.preface?.toString('latin1'), says)
  assert.equal(withdrawn && peerOf(withdrawn), '192.0.2.7:5555')
  if (withdrawn !== undefined) next.dispatcher.putBack(withdrawn)
  const two = new TakingWorker(t, 2, next.handOff)
  await waitFor('the connection', () => two.takes() === 2)
  assert.equal(two.first, says)
})

nativeTest(
  'what the workers of a dead primary have not reported is lost with the last of them',
  async (t) => {
    const dead = arrivalStage(t)
    const one = new TakingWorker(t, 1, dead.handOff)
    await dead.arrive(1)
    one.takes()
    const { handOff, dispatcher, counts } = arrivalStage(t, {
      given: {
        feeding: nativeModule().duplicate(dead.handOff.queue.feeding),
        taking: nativeModule().duplicate(dead.handOff.queue.taking),
      },
    })
    const [entry] = readLedger(dead.ledgerFd).entries
    assert.ok(entry !== undefined)
    const handle = new NativeSocket(nativeModule(), -1, entry.address)
    const { turn, nonce } = entry
    const connection = Object.assign(dispatcher.resume(entry.id, handle, anywhere, 0), {
      turn,
      nonce,
    })
    handOff.adopt([connection], [])
    assert.equal(counts().active, 1)
    handOff.onOrphansGone()
    await waitFor('its end', () => counts().failed === 1)
  },
)
