import assert from 'node:assert/strict'
import { test } from 'node:test'
import { uncounted } from '../../../src/ipc/progress.ts'
import { LooseHandle } from '../support/handles.ts'
import { anywhere } from '../support/pending.ts'
import { BareWorker, staged } from '../support/stage.ts'

test('a connection goes to the worker that has been idle longest', (t) => {
  const { dispatcher, handOff, report } = staged(t)
  const [one, two] = [new BareWorker(1), new BareWorker(2)]
  handOff.addIdle(one)
  handOff.addIdle(two)
  dispatcher.accept(new LooseHandle(), anywhere)
  assert.equal(one.current.id, 1)
  report(one, 'served')
  dispatcher.accept(new LooseHandle(), anywhere)
  assert.equal(two.current.id, 2)
})

test('queued connections are offered first come, first served, one to each worker', (t) => {
  const { dispatcher, handOff, report, accounts } = staged(t)
  for (let count = 0; count < 3; count += 1) dispatcher.accept(new LooseHandle(), anywhere)
  const slot = new BareWorker(1)
  handOff.addIdle(slot)
  assert.deepEqual(accounts.counts.queued, 2)
  for (let count = 0; count < 3; count += 1) {
    report(slot, 'served')
  }
  assert.deepEqual(
    slot.offered.map(({ id }) => id),
    [1, 2, 3],
  )
  assert.equal(slot.served, 3)
  assert.equal(accounts.counts.served, 3)
})

test('the primary keeps its copy until the connection has ended', (t) => {
  const { dispatcher, handOff, report } = staged(t)
  const slot = new BareWorker(1)
  handOff.addIdle(slot)
  const handle = new LooseHandle()
  dispatcher.accept(handle, anywhere)
  assert.equal(handle.isOpen, true)
  report(slot, 'served')
  assert.equal(handle.isOpen, false)
})

test('a worker that dies before the claim costs nothing: the connection is first in line again', (t) => {
  const { dispatcher, handOff, accounts } = staged(t)
  const [dying, next] = [new BareWorker(1), new BareWorker(2)]
  handOff.addIdle(dying)
  const handle = new LooseHandle()
  dispatcher.accept(handle, anywhere)
  dispatcher.accept(new LooseHandle(), anywhere)
  handOff.lost(dying, { claimed: 0, lastStep: undefined }, 'killed by SIGKILL')
  assert.equal(handle.isOpen, true)
  handOff.addIdle(next)
  assert.equal(next.current.id, 1)
  assert.equal(accounts.counts.failed, 0)
})

test('a claim of an earlier connection does not count for the one in hand', (t) => {
  const { dispatcher, handOff, report, queue } = staged(t)
  const slot = new BareWorker(1)
  handOff.addIdle(slot)
  dispatcher.accept(new LooseHandle(), anywhere)
  report(slot, 'served')
  dispatcher.accept(new LooseHandle(), anywhere)
  handOff.lost(slot, { claimed: 1, lastStep: undefined }, 'killed by SIGKILL')
  assert.equal(queue.length, 1)
})

test('a worker that dies after the claim loses the connection, which is logged and never offered again', (t) => {
  const { dispatcher, handOff, accounts, lines } = staged(t)
  const [dying, next] = [new BareWorker(1), new BareWorker(2)]
  handOff.addIdle(dying)
  const handle = new LooseHandle()
  dispatcher.accept(handle, anywhere)
  handOff.lost(dying, { claimed: 1, lastStep: undefined }, 'killed by SIGKILL')
  handOff.addIdle(next)
  assert.equal(next.inHand, undefined)
  assert.equal(handle.isOpen, false)
  assert.equal(accounts.counts.failed, 1)
  const line = lines.find(({ msg }) => msg === 'Connection lost with its worker')
  assert.deepEqual([line?.['level'], line?.['cause']], ['warn', 'killed by SIGKILL'])
})

test('a worker that dies with nothing in hand loses nothing, and gets nothing more', (t) => {
  const { dispatcher, handOff, accounts, queue } = staged(t)
  const slot = new BareWorker(1)
  handOff.addIdle(slot)
  handOff.lost(slot, { claimed: 1, lastStep: undefined }, 'killed by SIGKILL')
  dispatcher.accept(new LooseHandle(), anywhere)
  assert.equal(slot.inHand, undefined)
  assert.deepEqual([accounts.counts.failed, queue.length], [0, 1])
})

test('a worker reports on its own connection only, and once', (t) => {
  const { dispatcher, handOff, accounts, report } = staged(t)
  const slot = new BareWorker(1)
  handOff.addIdle(slot)
  dispatcher.accept(new LooseHandle(), anywhere)
  handOff.progress(slot, { step: 'served', reason: 'none', ...uncounted, id: 99 })
  assert.equal(slot.current.state, 'offered')
  report(slot, 'failed')
  handOff.progress(slot, { step: 'served', reason: 'none', ...uncounted, id: 1 })
  assert.deepEqual([accounts.counts.failed, accounts.counts.served], [1, 0])
})

test('a retiring worker gets nothing more once it is free', (t) => {
  const { dispatcher, handOff, report } = staged(t)
  const slot = new BareWorker(1)
  handOff.addIdle(slot)
  dispatcher.accept(new LooseHandle(), anywhere)
  dispatcher.accept(new LooseHandle(), anywhere)
  slot.isRetiring = true
  report(slot, 'served')
  assert.equal(slot.inHand, undefined)
})

test('a worker that was taken off the list gets nothing', (t) => {
  const { dispatcher, handOff, queue } = staged(t)
  const slot = new BareWorker(1)
  handOff.addIdle(slot)
  handOff.removeIdle(slot)
  dispatcher.accept(new LooseHandle(), anywhere)
  assert.equal(slot.inHand, undefined)
  assert.equal(queue.length, 1)
})

test('a connection that the system does not send is tried again as long as it may wait, and that is told once', (t) => {
  const { dispatcher, handOff, accounts, lines } = staged(t)
  const workers = [new BareWorker(1), new BareWorker(2)]
  for (const worker of workers) handOff.addIdle(worker)
  dispatcher.accept(new LooseHandle(), anywhere)
  for (let count = 0; count < 20; count += 1) {
    const worker = workers[count % 2] as BareWorker
    assert.equal(worker.current.id, 1, `try ${count}`)
    handOff.unsent(worker, { id: 1, errno: -109 })
  }
  const told = () =>
    lines.map(({ msg }) => String(msg)).filter((msg) => msg.startsWith('Cannot hand off'))
  assert.equal(told().length, 1)
  assert.equal(accounts.counts.active, 1)
  // The end of a dying worker's channel is noticed anyway.
  handOff.unsent(workers[0] as BareWorker, { id: 1, errno: -32 })
  assert.equal(told().length, 1)
  assert.equal(workers[1]?.current.id, 1)
  // Not about the connection that it has.
  handOff.unsent(workers[1], { id: 2, errno: -109 })
  assert.equal(workers[1]?.current.id, 1)
})
