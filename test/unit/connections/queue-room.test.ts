import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { affordableQueue, QueueRoom } from '../../../src/connections/queue-room.ts'
import { Events } from '../../../src/telemetry/events.ts'
import { load } from '../support/config-file.ts'
import { LooseHandle } from '../support/handles.ts'
import { keptLog } from '../support/kept-log.ts'
import { anywhere } from '../support/pending.ts'
import { staged } from '../support/stage.ts'

/** The room in a process that may have `limit` descriptors; the workers and queued connections use some. */
function roomy(t: TestContext, workers: number, limit: number) {
  const { queue, dispatcher, accounts } = staged(t)
  const { log, lines } = keptLog()
  const files = {
    limit,
    get free() {
      return this.limit - 20 - 6 * slots.length - queue.length
    },
  }
  const slots = Array.from({ length: workers })
  const config = load(t, { workers, queue: { max: 1_000 } })
  const events = new Events(log)
  const room = new QueueRoom(queue, events, log, files)
  room.follow({
    get slotCount() {
      return slots.length
    },
    get size() {
      return slots.length
    },
  })
  room.apply(config)
  const check = () => room.check(dispatcher)
  const connect = (count: number) => {
    for (let at = 0; at < count; at += 1) dispatcher.accept(new LooseHandle(), anywhere)
  }
  return { room, check, queue, files, slots, lines, connect, accounts, config, events }
}

test('a queue that fits is as long as it was wanted', () => {
  assert.equal(affordableQueue(10_000, 8, 1_048_576), 10_000)
  assert.equal(affordableQueue(10_000, 8, Number.POSITIVE_INFINITY), 10_000)
})

test('a queue never takes the descriptors that the primary and its workers need', () => {
  const workersOf = fc.integer({ min: 1, max: 1_024 })
  fc.assert(
    fc.property(fc.nat(), workersOf, fc.nat(), (wanted, workers, limit) => {
      const queue = affordableQueue(wanted, workers, limit)
      assert.ok(queue >= 0 && queue <= wanted)
      assert.ok(queue === 0 || queue + 6 * workers + 16 < limit)
      assert.ok(affordableQueue(wanted, workers + 1, limit) <= queue)
    }),
  )
})

test('the share of the queue follows the number of workers, with a reload in sight', (t) => {
  const { check, queue, slots, lines } = roomy(t, 2, 256)
  assert.equal(queue.max, 256 - 64 - 4 * 8)
  assert.match(JSON.stringify(lines), /The limit of open files is too low/)
  slots.push(undefined, undefined)
  check()
  assert.equal(queue.max, 256 - 64 - 8 * 8)
})

test('and the limit of the moment, both ways', (t) => {
  const { check, queue, files } = roomy(t, 2, 256)
  files.limit = 10_000
  check()
  assert.equal(queue.max, 1_000)
  files.limit = 200
  check()
  assert.equal(queue.max, 200 - 64 - 4 * 8)
})

test('workers without descriptors for them are refused, and no queued connection pays for them', (t) => {
  const { room, check, queue, connect } = roomy(t, 2, 256)
  connect(150)
  const before = queue.length
  assert.throws(() => room.admit(22), {
    code: 'CANNOT_SPAWN',
    message:
      /22 more workers.*148 file descriptors.*of 256 are free while \d+ connections wait.*ulimit -n/,
  })
  room.admit(4)
  check()
  assert.equal(queue.length, before)
})

test('fewer workers are always admitted', (t) => {
  const { room, files } = roomy(t, 2, 256)
  files.limit = 10
  room.admit(0)
})

test('when the limit is lowered, the newest connections are turned away until enough descriptors are free', (t) => {
  const { check, queue, files, connect, accounts, events } = roomy(t, 2, 256)
  connect(100)
  const [first] = queue
  files.limit = 100
  check()
  assert.ok(files.free >= 16 && queue.length > 0, `${files.free} free, ${queue.length} wait`)
  assert.equal([...queue][0], first)
  assert.equal(accounts.counts.shed + queue.length, 100)
  const told = () => events.last(10).filter(({ kind }) => kind === 'descriptors-short')
  assert.match(told()[0]?.text ?? '', /of 100 are free.*turned away/)
  const [{ seq } = { seq: 0 }] = told()
  check()
  assert.equal(told()[0]?.seq, seq)
})

test('a connection may not have one of the last descriptors', (t) => {
  const { room } = roomy(t, 2, 256)
  assert.equal(room.has(Object.assign(new LooseHandle(), { fd: 239 })), true)
  assert.equal(room.has(Object.assign(new LooseHandle(), { fd: 240 })), false)
})
