import assert from 'node:assert/strict'
import { test } from 'node:test'
import { waitFor } from '../../helpers/wait-for.ts'
import { handlePair, LooseHandle } from '../support/handles.ts'
import { anywhere } from '../support/pending.ts'
import { BareWorker, settingsOf, staged } from '../support/stage.ts'

test('a client that had left before the claim is gone, and the worker is free', (t) => {
  const { dispatcher, handOff, accounts, report } = staged(t)
  const slot = new BareWorker(1)
  handOff.addIdle(slot)
  dispatcher.accept(new LooseHandle(), anywhere)
  dispatcher.accept(new LooseHandle(), anywhere)
  report(slot, 'gone')
  assert.equal(accounts.counts.gone, 1)
  assert.equal(slot.current.id, 2)
})

test('an offer that comes without its socket is made again, and given up after nine times', (t) => {
  const { dispatcher, handOff, accounts, report, lines } = staged(t)
  const slot = new BareWorker(1)
  handOff.addIdle(slot)
  dispatcher.accept(new LooseHandle(), anywhere)
  for (let count = 0; count < 8; count += 1) report(slot, 'missing')
  assert.deepEqual(
    slot.offered.map(({ id }) => id),
    Array(9).fill(1),
  )
  report(slot, 'missing')
  assert.equal(slot.inHand, undefined)
  assert.equal(accounts.counts.failed, 1)
  assert.ok(lines.some(({ msg }) => String(msg).startsWith('Gave up a connection')))
})

test('a connection that a worker could not take goes to another idle worker, before any queued one', (t) => {
  const { dispatcher, handOff, report, allow } = staged(t)
  const [broken, sound] = [new BareWorker(1), new BareWorker(2)]
  handOff.addIdle(broken)
  dispatcher.accept(new LooseHandle(), anywhere)
  allow(false)
  handOff.addIdle(sound)
  dispatcher.accept(new LooseHandle(), anywhere)
  allow(true)
  report(broken, 'missing')
  assert.equal(sound.current.id, 1)
  assert.equal(broken.current.id, 2)
})

test('a connection whose worker could say only by its exit status that it was served is not lost', (t) => {
  const { dispatcher, handOff, accounts } = staged(t)
  const slot = new BareWorker(1)
  handOff.addIdle(slot)
  dispatcher.accept(new LooseHandle(), anywhere)
  handOff.lost(slot, { claimed: 1, lastStep: 'served' }, 'unfit')
  assert.deepEqual([accounts.counts.served, accounts.counts.failed, slot.served], [1, 0, 1])
})

test('a connection that finds the queue full is shed and closed', (t) => {
  const { dispatcher, accounts, closed } = staged(t, 1)
  const handles = [new LooseHandle(), new LooseHandle()]
  for (const handle of handles) dispatcher.accept(handle, anywhere)
  assert.deepEqual(
    handles.map(({ isOpen }) => isOpen),
    [true, false],
  )
  assert.equal(accounts.counts.shed, 1)
  assert.equal(closed(), 1)
})

test('clients that have left make room in a full queue at once', (t) => {
  const { dispatcher, accounts } = staged(t, 2)
  const handles = Array.from({ length: 4 }, () => new LooseHandle())
  const [first, second, third, fourth] = handles as [
    LooseHandle,
    LooseHandle,
    LooseHandle,
    LooseHandle,
  ]
  dispatcher.accept(first, anywhere)
  dispatcher.accept(second, anywhere)
  first.isReset = true
  second.isReset = true
  dispatcher.accept(third, anywhere)
  dispatcher.accept(fourth, anywhere)
  assert.deepEqual(
    handles.map(({ isOpen }) => isOpen),
    [false, false, true, true],
  )
  const { gone, queued, shed } = accounts.counts
  assert.deepEqual([gone, queued, shed], [2, 2, 0])
})

test('a full queue is not searched all the time', (t) => {
  const { dispatcher } = staged(t, 1_000)
  let asked = 0
  class CountingHandle extends LooseHandle {
    override getpeername(...args: Parameters<LooseHandle['getpeername']>): number {
      asked += 1
      return super.getpeername(...args)
    }
  }
  for (let at = 0; at < 1_000; at += 1) dispatcher.accept(new CountingHandle(), anywhere)
  asked = 0
  for (let at = 0; at < 100; at += 1) dispatcher.accept(new LooseHandle(), anywhere)
  // Each time would be 100,000.
  assert.ok(asked >= 1_000 && asked <= 50_000, `${asked}`)
})

test('connections that are given up while the service stops are closed and counted as failed', (t) => {
  const { dispatcher, accounts, queue } = staged(t)
  const handles = [new LooseHandle(), new LooseHandle()]
  for (const handle of handles) dispatcher.accept(handle, anywhere)
  dispatcher.abandon()
  assert.ok(handles.every(({ isOpen }) => !isOpen))
  assert.equal(accounts.counts.failed, 2)
  assert.equal(queue.length, 0)
})

test('an address has as many connections as it may until one of them ends', async (t) => {
  const { dispatcher, accounts } = staged(t, 100, 2)
  const pairs = await Promise.all([handlePair(t), handlePair(t), handlePair(t), handlePair(t)])
  const accept = (at: number) =>
    dispatcher.accept((pairs[at] as (typeof pairs)[number]).handle, anywhere)
  for (const at of [0, 1, 2]) accept(at)
  assert.deepEqual([accounts.counts.queued, accounts.counts.shed], [2, 1])
  dispatcher.abandon()
  accept(3)
  assert.deepEqual([accounts.counts.queued, accounts.counts.shed], [1, 1])
})

test('a client that resets while it waits is found by the probe, and is gone', async (t) => {
  const { dispatcher, accounts, queue } = staged(t)
  const { handle, client } = await handlePair(t)
  dispatcher.accept(handle, anywhere)
  dispatcher.probe(0)
  assert.equal(accounts.counts.queued, 1)
  client.resetAndDestroy()
  await waitFor('the client to be missed', () => {
    dispatcher.probe(0)
    return accounts.counts.gone === 1
  })
  assert.equal(queue.length, 0)
})

test('a client that resets after it was offered is gone when its worker dies', (t) => {
  const { dispatcher, handOff, accounts } = staged(t)
  const slot = new BareWorker(1)
  handOff.addIdle(slot)
  const handle = new LooseHandle()
  dispatcher.accept(handle, anywhere)
  handle.isReset = true
  handOff.lost(slot, { claimed: 0, lastStep: undefined }, 'killed by SIGKILL')
  assert.equal(accounts.counts.gone, 1)
  assert.equal(handle.isOpen, false)
})

test('a connection that was queued in another process keeps its number, position and age', (t) => {
  const { dispatcher, queue, accounts } = staged(t)
  dispatcher.accept(new LooseHandle(), anywhere)
  dispatcher.adopt(-2, new LooseHandle(), anywhere, 5_000)
  dispatcher.adopt(-1, new LooseHandle(), anywhere, 4_000)
  assert.deepEqual(
    [...queue].map(({ id }) => id),
    [-2, -1, 1],
  )
  assert.ok(queue.oldestMs >= 5_000)
  assert.equal(accounts.counts.queued, 3)
})

test('a withdrawn connection is counted until another process has it', (t) => {
  const { dispatcher, accounts, queue } = staged(t)
  const handles = [new LooseHandle(), new LooseHandle()]
  for (const handle of handles) dispatcher.accept(handle, anywhere)
  const [first, second] = [dispatcher.withdraw(), dispatcher.withdraw()]
  assert.ok(first !== undefined && second !== undefined)
  assert.equal(dispatcher.withdraw(), undefined)
  assert.deepEqual([accounts.counts.accepted, accounts.counts.queued], [2, 2])
  dispatcher.passed(first)
  dispatcher.putBack(second)
  assert.deepEqual(
    handles.map(({ isOpen }) => isOpen),
    [false, true],
  )
  assert.deepEqual([accounts.counts.accepted, queue.length], [1, 1])
})

test('a new limit for each client applies to the connections that come after it', async (t) => {
  const { dispatcher, accounts } = staged(t, 100, 1)
  const pairs = await Promise.all([handlePair(t), handlePair(t), handlePair(t)])
  const accept = (at: number) =>
    dispatcher.accept((pairs[at] as (typeof pairs)[number]).handle, anywhere)
  accept(0)
  accept(1)
  assert.deepEqual([accounts.counts.queued, accounts.counts.shed], [1, 1])
  dispatcher.apply(settingsOf(100, 2))
  accept(2)
  assert.deepEqual([accounts.counts.queued, accounts.counts.shed], [2, 1])
})

test('with the access log, a connection notes its client from its acceptance on', (t) => {
  const { dispatcher, queue } = staged(t)
  dispatcher.accept(new LooseHandle(), anywhere)
  dispatcher.apply({ ...settingsOf(100, 0), log: { access: true, syslog: 'off' } })
  dispatcher.accept(new LooseHandle(), anywhere)
  assert.deepEqual(
    [...queue].map(({ peer }) => peer),
    [undefined, '192.0.2.7:4711'],
  )
})

test('a client whose address cannot be known any more is gone where addresses decide', (t) => {
  for (const access of [
    { allow: [], deny: ['198.51.100.0/24'], maxPerSecond: 0 },
    { allow: ['192.0.2.0/24'], deny: [], maxPerSecond: 0 },
    { allow: [], deny: [], maxPerSecond: 100 },
  ]) {
    const { dispatcher, handOff, accounts } = staged(t)
    dispatcher.apply({ ...settingsOf(100, 0), access })
    const slot = new BareWorker(1)
    handOff.addIdle(slot)
    const reset = new LooseHandle()
    reset.isReset = true
    dispatcher.accept(reset, anywhere)
    assert.deepEqual([slot.inHand, reset.isOpen, accounts.counts.gone], [undefined, false, 1])
    dispatcher.accept(new LooseHandle(), anywhere)
    assert.equal(slot.current.id, 2)
  }
})
