import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ServiceEvent } from '../../../src/lifecycle/event-kinds.ts'
import { Events } from '../../../src/telemetry/events.ts'
import { keptLog } from '../support/kept-log.ts'

const death = {
  slot: 1,
  generation: 1,
  cause: 'killed by SIGKILL',
  restartCause: 'signal',
  failures: 1,
  delayMs: 0,
}

test('an event is logged in the words that it is kept in, with its kind and details', () => {
  const { log, lines } = keptLog()
  const events = new Events(log)
  events.record('worker-died', death)
  const text = 'Worker 1 died (killed by SIGKILL); starting another'
  const [line] = lines
  assert.deepEqual(
    [line?.['level'], line?.['kind'], line?.['slot'], line?.['msg']],
    ['warn', 'worker-died', 1, text],
  )
  const [event] = events.last(1)
  const { at, ...kept } = event as ServiceEvent
  assert.deepEqual(kept, { seq: 1, kind: 'worker-died', text, ...death })
  assert.equal(new Date(at).toISOString(), at)
})

test('the last hundred are kept, numbered on', () => {
  const events = new Events(keptLog().log)
  for (let workers = 1; workers <= 130; workers += 1) events.record('scaled', { workers })
  const kept = events.last(1_000)
  assert.deepEqual([kept.length, kept[0]?.seq, kept.at(-1)?.seq], [100, 31, 130])
  assert.deepEqual(
    events.last(2).map((event) => event['workers']),
    [129, 130],
  )
})

test('a worker that dies again and again has one event, its last', () => {
  const events = new Events(keptLog().log)
  events.record('scaled', { workers: 2 })
  for (let failures = 2; failures < 200; failures += 1) {
    events.record('worker-backing-off', { ...death, failures })
    events.record('worker-backing-off', { ...death, slot: 2, failures })
  }
  assert.deepEqual(
    events.last(100).map(({ kind, slot, failures }) => [kind, slot, failures]),
    [
      ['scaled', undefined, undefined],
      ['worker-backing-off', 1, 199],
      ['worker-backing-off', 2, 199],
    ],
  )
})

test('a long detail is cut in the list, but not in the log', () => {
  const { log, lines } = keptLog()
  const events = new Events(log)
  const reason = 'x'.repeat(10_000)
  events.record('lease-lost', { reason, shed: 0 })
  assert.equal(lines[0]?.['reason'], reason)
  const [event] = events.last(1)
  assert.ok(String(event?.['reason']).length < 600)
  assert.ok(String(event?.text).length < 600)
})

test('a subscriber hears of events as they happen, until it has had enough', () => {
  const events = new Events(keptLog().log)
  const heard: ServiceEvent[] = []
  events.record('scaled', { workers: 1 })
  const unsubscribe = events.subscribe((event) => heard.push(event))
  events.record('scaled', { workers: 2 })
  unsubscribe()
  events.record('scaled', { workers: 3 })
  assert.deepEqual(heard, events.last(2).slice(0, 1))
})

test('a successor goes on with the list, and takes what its predecessor still tells', () => {
  const old = new Events(keptLog().log)
  old.record('scaled', { workers: 1 })
  old.record('scaled', { workers: 2 })
  const { log, lines } = keptLog()
  const next = new Events(log, old.since(0))
  old.record('worker-died', death)
  next.record('draining', { cause: 'SIGUSR1' })
  assert.deepEqual(old.since(3), [])
  for (const event of old.since(2)) next.adopt(event)
  assert.deepEqual(
    next.last(10).map(({ seq, kind }) => [seq, kind]),
    [
      [1, 'scaled'],
      [2, 'scaled'],
      [3, 'draining'],
      [4, 'worker-died'],
    ],
  )
  // What was adopted has been logged already.
  assert.equal(lines.length, 1)
})
