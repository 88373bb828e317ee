import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { AttachedBridge, type Supervisor } from '../../../src/control/attached-bridge.ts'

/** A bridge that writes down what it is told and leaves when the test says so. */
function caller(pid: number, instance = 0) {
  const told: unknown[][] = []
  let leave: () => void = () => {}
  const closed = new Promise<void>((resolve) => {
    leave = resolve
  })
  const supervisor: Supervisor = {
    pid,
    instance,
    closed,
    notify: (...message) => told.push(message),
  }
  return { supervisor, told, leave }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

/** Whether a promise has settled by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  void promise.then(() => {
    settled = true
  })
  await turn()
  return settled
}

function steerClock(t: TestContext): void {
  t.mock.timers.enable({ apis: ['setTimeout'] })
}

test('a bridge attaches at once when none is attached, and leaves nothing behind', async () => {
  const bridge = new AttachedBridge(() => {})
  const { supervisor, leave, told } = caller(11)
  assert.equal(bridge.pid, null)
  assert.deepEqual(await bridge.attach(supervisor), { superseded: false, restarting: false })
  assert.equal(bridge.pid, 11)
  leave()
  await turn()
  assert.equal(bridge.pid, null)
  assert.deepEqual(told, [])
})

test('the next bridge waits until the one before has left, and counts as attached at once', async (t) => {
  steerClock(t)
  const bridge = new AttachedBridge(() => {})
  const [old, next] = [caller(11), caller(12)]
  await bridge.attach(old.supervisor)
  const taken = bridge.attach(next.supervisor)
  assert.equal(bridge.pid, 12)
  assert.deepEqual(old.told, [['superseded', { pid: 12 }]])
  assert.equal(await isSettled(taken), false)
  old.leave()
  assert.equal((await taken).superseded, true)
  assert.equal(bridge.pid, 12)
})

test('a bridge that does not leave keeps nobody waiting for ever', async (t) => {
  steerClock(t)
  const bridge = new AttachedBridge(() => {})
  const [old, next] = [caller(11), caller(12)]
  await bridge.attach(old.supervisor)
  const taken = bridge.attach(next.supervisor)
  t.mock.timers.tick(60_000)
  assert.equal((await taken).superseded, true)
  old.leave()
  await turn()
  assert.equal(bridge.pid, 12)
})

test('only the holder is told that the service ends', async (t) => {
  steerClock(t)
  const bridge = new AttachedBridge(() => {})
  const [old, next] = [caller(11), caller(12)]
  bridge.announceDraining('nobody hears this')
  await bridge.attach(old.supervisor)
  const taken = bridge.attach(next.supervisor)
  old.leave()
  await taken
  bridge.announceDraining('SIGUSR1')
  assert.deepEqual(old.told, [['superseded', { pid: 12 }]])
  assert.deepEqual(next.told, [['draining', { cause: 'SIGUSR1' }]])
})

test('a bridge beside the one that is there is refused, until that one has left', async () => {
  const bridge = new AttachedBridge(() => {})
  const [first, beside] = [caller(11), caller(12, 1)]
  await bridge.attach(first.supervisor)
  await assert.rejects(bridge.attach(beside.supervisor), { code: 'SUPERVISED' })
  assert.equal(bridge.pid, 11)
  assert.deepEqual(first.told, [])
  first.leave()
  await turn()
  assert.equal((await bridge.attach(beside.supervisor)).superseded, false)
  assert.equal(bridge.pid, 12)
})

test('the bridge after one that left for a restart hears of it, and no other does', async () => {
  const bridge = new AttachedBridge(() => {})
  const [old, next, later] = [caller(11), caller(12), caller(13)]
  await bridge.attach(old.supervisor)
  bridge.expectNext()
  old.leave()
  await turn()
  assert.equal(bridge.isNextExpected, true)
  assert.deepEqual(await bridge.attach(next.supervisor), { superseded: false, restarting: true })
  next.leave()
  await turn()
  assert.deepEqual(await bridge.attach(later.supervisor), { superseded: false, restarting: false })
})

for (const isRestart of [false, true]) {
  const how = isRestart ? 'leaves for a restart' : 'dies'
  test(`after a bridge that ${how}, it is said when no other one comes`, async (t) => {
    steerClock(t)
    const told: unknown[] = []
    const bridge = new AttachedBridge((last) => told.push(last), 30_000)
    const { supervisor, leave } = caller(11)
    await bridge.attach(supervisor)
    if (isRestart) bridge.expectNext()
    leave()
    await turn()
    t.mock.timers.tick(29_999)
    assert.deepEqual(told, [])
    t.mock.timers.tick(1)
    assert.deepEqual(told, [{ pid: 11, isRestart }])
  })
}

test('nobody is missed who is back, or when the service ends', async (t) => {
  steerClock(t)
  const told: unknown[] = []
  const bridge = new AttachedBridge((last) => told.push(last), 30_000)
  const [old, next] = [caller(11), caller(12)]
  await bridge.attach(old.supervisor)
  old.leave()
  await turn()
  await bridge.attach(next.supervisor)
  t.mock.timers.tick(60_000)
  next.leave()
  await turn()
  bridge.announceDraining('SIGUSR1')
  t.mock.timers.tick(60_000)
  assert.deepEqual(told, [])
})
