import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { NativeHandOff } from '../../../src/connections/native-hand-off.ts'
import { type Step, uncounted } from '../../../src/ipc/progress.ts'
import { PageWriter, pageBytes } from '../../../src/ipc/worker-page.ts'
import { errnos, takeCodes } from '../../../src/native/native.ts'
import { waitFor } from '../../helpers/wait-for.ts'
import { handlePair } from '../support/handles.ts'
import { nativeModule } from '../support/native-consumer.ts'
import { type NativeStageLimits, nativeStage } from '../support/native-stage.ts'
import { nativeTest } from '../support/native-test.ts'
import { anywhere } from '../support/pending.ts'
import { BareWorker } from '../support/stage.ts'

/** A worker in the test's own process, at a real consumer. */
class TakingWorker extends BareWorker {
  readonly #native = nativeModule()
  readonly #consumer
  readonly #page: PageWriter
  #takenAtMs = 0

  constructor(t: TestContext, number: number, handOff: NativeHandOff) {
    super(number)
    // A process would inherit them.
    const [page = -1, queue = -1, bell = -1] = handOff
      .link(this)
      .fds.map((fd) => this.#native.duplicate(fd))
    const place = this.#native.openConsumer(queue, page, bell, pageBytes, () => {})
    if (typeof place === 'number') throw new Error(`openConsumer: ${place}`)
    this.#consumer = place.consumer
    this.#page = new PageWriter(place.memory)
    handOff.addIdle(this)
    t.after(() => {
      this.#native.drop(place.consumer)
      this.#native.close(queue)
      this.#native.close(bell)
    })
  }

  get page(): PageWriter {
    return this.#page
  }

  /** Takes a connection; its id, or undefined when there was none for it. */
  takes(): number | undefined {
    const taken = this.#native.take(this.#consumer, Buffer.alloc(1_024))
    if (taken <= takeCodes.nobody) return undefined
    this.#takenAtMs = this.#page.takenAtMs
    return this.#page.ticket.id
  }

  /** Ends what it has taken. */
  ends(step: Step = 'served'): void {
    const endedAtMs = this.#native.now()
    const { ticket } = this.#page
    const reason = step === 'failed' ? 'handler-error' : 'none'
    const report = { step, reason, id: ticket.id, ...uncounted } as const
    this.#page.record(report, ticket, this.#takenAtMs, endedAtMs)
    this.#native.drop(this.#consumer)
  }
}

async function staged(t: TestContext, limits: NativeStageLimits = {}) {
  const made = nativeStage(t, limits)
  const { handOff, dispatcher, accounts } = made
  const clients: Awaited<ReturnType<typeof handlePair>>['client'][] = []
  const arrive = async (count: number) => {
    for (let at = 0; at < count; at += 1) {
      const { handle, client } = await handlePair(t)
      clients.push(client)
      dispatcher.accept(handle, anywhere)
    }
  }
  const counts = () => {
    handOff.settle()
    const all = accounts.counts
    const { accepted, served, failed, shed, expired, gone, queued, active } = all
    assert.equal(accepted, served + failed + shed + expired + gone + queued + active)
    return all
  }
  return { ...made, arrive, clients, counts }
}

nativeTest(
  'connections are taken in their order, by whoever is free, and every count is right at any time',
  async (t) => {
    const { handOff, arrive, counts, queue } = await staged(t)
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
  const { handOff, arrive, counts, lines } = await staged(t)
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
    const { handOff, arrive, counts } = await staged(t, { max: 3 })
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
    const { handOff, arrive, counts } = await staged(t, { maxPerClient: 1 })
    const one = new TakingWorker(t, 1, handOff)
    await arrive(1)
    one.takes()
    one.ends()
    await arrive(2)
    assert.deepEqual([counts().served, counts().queued, counts().shed], [1, 1, 1])
  },
)

nativeTest('a connection that waits too long in the kernel expires, too', async (t) => {
  const { handOff, arrive, counts, clients } = await staged(t, { maxWaitMs: 100 })
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
  const { handOff, arrive, counts, clients, dispatcher } = await staged(t)
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
    const { handOff, arrive, counts, dispatcher } = await staged(t)
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
    const { handOff, arrive, dispatcher, clients } = await staged(t)
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
  const { handOff, arrive } = await staged(t)
  const one = new TakingWorker(t, 1, handOff)
  handOff.permit(nativeModule().now() - 1)
  await arrive(1)
  assert.equal(one.takes(), undefined)
  handOff.permit(nativeModule().now() + 60_000)
  assert.equal(one.takes(), 1)
})

nativeTest('records of connections that a worker does not have are not believed', async (t) => {
  const { handOff, arrive, counts } = await staged(t)
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
  const { native, handOff, arrive, counts } = await staged(t)
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
  const { handOff, arrive, counts } = await staged(t)
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

nativeTest('a queue that an app shuts down is replaced, and its workers with it', async (t) => {
  const { native, handOff, arrive, counts, lines } = await staged(t)
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
