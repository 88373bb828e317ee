import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HelloserverError, stopping } from '../../../src/errors.ts'
import { Boot } from '../../../src/pool/boot.ts'
import { BareWorker } from '../support/stage.ts'

/** Whether a promise has settled by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending')
  const turn = new Promise((resolve) => setImmediate(() => resolve(pending)))
  return (await Promise.race([promise.catch(() => {}), turn])) !== pending
}

test('all must be ready, each counts once, and strangers do not', async () => {
  const [one, two, stranger] = [new BareWorker(1), new BareWorker(2), new BareWorker(3)]
  const boot = new Boot([one, two], () => {}, 2)
  boot.markReady(stranger)
  boot.markReady(one)
  boot.markReady(one)
  assert.deepEqual(
    [boot.awaits(one), boot.awaits(two), boot.awaits(stranger)],
    [false, true, false],
  )
  assert.equal(await isSettled(boot.ready), false)
  boot.markReady(two)
  await boot.ready
})

test('nobody to wait for is ready', async () => {
  await new Boot([], () => {}, 2).ready
})

test('one that cannot get ready fails all, with the reason, and the first reason wins', async () => {
  const slot = new BareWorker(1)
  const boot = new Boot([slot], () => {}, 2)
  boot.fail(new HelloserverError('BOOT_FAILED', 'Worker 1 could not get ready: no'))
  boot.fail(stopping())
  boot.markReady(slot)
  await assert.rejects(boot.ready, {
    code: 'BOOT_FAILED',
    message: 'Worker 1 could not get ready: no',
  })
})

test('so many load at a time; the end of one is as good as its load', () => {
  const slots = [1, 2, 3, 4].map((number) => new BareWorker(number))
  const [one, two, three, four] = slots
  const started: BareWorker[] = []
  const boot = new Boot(slots, (slot) => void started.push(slot), 2)
  boot.begin()
  assert.deepEqual(started, [one, two])
  for (let times = 0; times < 2; times += 1) boot.onLoaded(two as BareWorker)
  assert.deepEqual(started, [one, two, three])
  boot.onLoaded(four as BareWorker)
  assert.deepEqual(started, [one, two, three])
  boot.onLoaded(one as BareWorker)
  assert.deepEqual(started, slots)
})

test('none is started after a failure, which may come while one is started', () => {
  const slots = [1, 2, 3].map((number) => new BareWorker(number))
  const started: BareWorker[] = []
  const boot = new Boot(
    slots,
    (slot) => {
      started.push(slot)
      boot.fail(stopping())
      boot.onLoaded(slot)
    },
    2,
  )
  boot.begin()
  assert.deepEqual(started, [slots[0]])
})
