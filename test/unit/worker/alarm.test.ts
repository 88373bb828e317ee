import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Alarm } from '../../../src/worker/alarm.ts'
import { Clock } from '../support/clock.ts'

test('it goes off once, for what it was set for last', (t) => {
  const clock = new Clock(t)
  const alarm = new Alarm(100)
  const rung: string[] = []
  alarm.set(() => rung.push('first'))
  alarm.set(() => rung.push('second'))
  clock.advance(99)
  assert.deepEqual(rung, [])
  clock.advance(1)
  assert.deepEqual(rung, ['second'])
  clock.advance(1_000)
  assert.deepEqual(rung, ['second'])
})

test('each time that it is set, all of its time is ahead', (t) => {
  const clock = new Clock(t)
  const alarm = new Alarm(100)
  let rung = 0
  for (let count = 0; count < 5; count += 1) {
    alarm.set(() => {
      rung += 1
    })
    clock.advance(99)
  }
  assert.equal(rung, 0)
  clock.advance(1)
  assert.equal(rung, 1)
})

test('a cleared alarm does not go off, and can be set again', (t) => {
  const clock = new Clock(t)
  const alarm = new Alarm(100)
  const rung: string[] = []
  alarm.set(() => rung.push('cleared'))
  clock.advance(50)
  alarm.clear()
  clock.advance(500)
  alarm.set(() => rung.push('set again'))
  clock.advance(99)
  assert.deepEqual(rung, [])
  clock.advance(1)
  assert.deepEqual(rung, ['set again'])
})

test('it can be set while it goes off', (t) => {
  const clock = new Clock(t)
  const alarm = new Alarm(100)
  const rung: number[] = []
  const again = () => {
    rung.push(clock.nowMs)
    if (rung.length < 3) alarm.set(again)
  }
  alarm.set(again)
  clock.advance(1_000)
  assert.deepEqual(rung, [100, 200, 300])
})

test('on the real clock it goes off too, not before a timer that was set before it', async () => {
  const alarm = new Alarm(20)
  const rung: string[] = []
  await new Promise<void>((resolve) => {
    alarm.set(() => {})
    setTimeout(() => rung.push('timer'), 20)
    alarm.set(() => {
      rung.push('alarm')
      resolve()
    })
  })
  assert.deepEqual(rung, ['timer', 'alarm'])
})
