import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Shedding } from '../../../src/connections/shedding.ts'
import { Events } from '../../../src/telemetry/events.ts'
import { Clock } from '../support/clock.ts'
import { keptLog } from '../support/kept-log.ts'

test('a thousand connections that are turned away are two events', (t) => {
  const clock = new Clock(t)
  const events = new Events(keptLog().log)
  const shedding = new Shedding(events)
  const told = () => events.last(10).map(({ kind }) => kind)
  for (let count = 0; count < 1_000; count += 1) {
    shedding.shed(7)
    clock.advance(10)
  }
  assert.deepEqual(told(), ['shedding-began'])
  clock.advance(4_900)
  assert.deepEqual(told(), ['shedding-began'])
  clock.advance(200)
  assert.deepEqual(told(), ['shedding-began', 'shedding-ended'])
  const [began, ended] = events.last(2)
  assert.equal(began?.['queued'], 7)
  assert.deepEqual([ended?.['shed'], ended?.['durationMs']], [1_000, 9_990])
})

test('connections turned away later are reported again', (t) => {
  const clock = new Clock(t)
  const events = new Events(keptLog().log)
  const shedding = new Shedding(events)
  shedding.shed(1)
  clock.advance(60_000)
  shedding.shed(1)
  clock.advance(60_000)
  assert.deepEqual(
    events.last(10).map(({ kind, shed }) => [kind, shed]),
    [
      ['shedding-began', undefined],
      ['shedding-ended', 1],
      ['shedding-began', undefined],
      ['shedding-ended', 1],
    ],
  )
})
