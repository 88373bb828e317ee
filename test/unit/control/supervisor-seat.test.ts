import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type Supervisor, SupervisorSeat } from '../../../src/control/supervisor-seat.ts'

/** A bridge that writes down what it is told and leaves when the test says so. */
function bridge(pid: number, instance = 0) {
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

test('an empty seat is taken at once, and is empty again when its holder leaves', async () => {
  const seat = new SupervisorSeat(() => {})
  const { supervisor, leave, told } = bridge(11)
  assert.equal(seat.pid, null)
  assert.deepEqual(await seat.take(supervisor), { superseded: false, restarting: false })
  assert.equal(seat.pid, 11)
  leave()
  await turn()
  assert.equal(seat.pid, null)
  assert.deepEqual(told, [])
})

test('who sits down next waits until the one before has left, and speaks for the service at once', async (t) => {
  steerClock(t)
  const seat = new SupervisorSeat(() => {})
  const [old, next] = [bridge(11), bridge(12)]
  await seat.take(old.supervisor)
  const taken = seat.take(next.supervisor)
  assert.equal(seat.pid, 12)
  assert.deepEqual(old.told, [['superseded', { pid: 12 }]])
  assert.equal(await isSettled(taken), false)
  old.leave()
  assert.equal((await taken).superseded, true)
  assert.equal(seat.pid, 12)
})

test('a bridge that does not leave keeps nobody waiting for ever', async (t) => {
  steerClock(t)
  const seat = new SupervisorSeat(() => {})
  const [old, next] = [bridge(11), bridge(12)]
  await seat.take(old.supervisor)
  const taken = seat.take(next.supervisor)
  t.mock.timers.tick(60_000)
  assert.equal((await taken).superseded, true)
  old.leave()
  await turn()
  assert.equal(seat.pid, 12)
})

test('only the holder is told that the service ends', async (t) => {
  steerClock(t)
  const seat = new SupervisorSeat(() => {})
  const [old, next] = [bridge(11), bridge(12)]
  seat.announceDraining('nobody hears this')
  await seat.take(old.supervisor)
  const taken = seat.take(next.supervisor)
  old.leave()
  await taken
  seat.announceDraining('SIGUSR1')
  assert.deepEqual(old.told, [['superseded', { pid: 12 }]])
  assert.deepEqual(next.told, [['draining', { cause: 'SIGUSR1' }]])
})

test('a bridge beside the one that is there is refused, until that one has left', async () => {
  const seat = new SupervisorSeat(() => {})
  const [first, beside] = [bridge(11), bridge(12, 1)]
  await seat.take(first.supervisor)
  await assert.rejects(seat.take(beside.supervisor), { code: 'SUPERVISED' })
  assert.equal(seat.pid, 11)
  assert.deepEqual(first.told, [])
  first.leave()
  await turn()
  assert.equal((await seat.take(beside.supervisor)).superseded, false)
  assert.equal(seat.pid, 12)
})

test('the bridge after one that left for a restart hears of it, and no other does', async () => {
  const seat = new SupervisorSeat(() => {})
  const [old, next, later] = [bridge(11), bridge(12), bridge(13)]
  await seat.take(old.supervisor)
  seat.expectNext()
  old.leave()
  await turn()
  assert.equal(seat.isNextExpected, true)
  assert.deepEqual(await seat.take(next.supervisor), { superseded: false, restarting: true })
  next.leave()
  await turn()
  assert.deepEqual(await seat.take(later.supervisor), { superseded: false, restarting: false })
})

for (const isRestart of [false, true]) {
  const how = isRestart ? 'leaves for a restart' : 'dies'
  test(`after a bridge that ${how}, it is said when no other one comes`, async (t) => {
    steerClock(t)
    const told: unknown[] = []
    const seat = new SupervisorSeat((last) => told.push(last), 30_000)
    const { supervisor, leave } = bridge(11)
    await seat.take(supervisor)
    if (isRestart) seat.expectNext()
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
  const seat = new SupervisorSeat((last) => told.push(last), 30_000)
  const [old, next] = [bridge(11), bridge(12)]
  await seat.take(old.supervisor)
  old.leave()
  await turn()
  await seat.take(next.supervisor)
  t.mock.timers.tick(60_000)
  next.leave()
  await turn()
  seat.announceDraining('SIGUSR1')
  t.mock.timers.tick(60_000)
  assert.deepEqual(told, [])
})
