import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InterruptibleSleep } from '../../../src/async/interruptible-sleep.ts'
import { within } from '../../helpers/wait-for.ts'

const hourMs = 3_600_000
const sleep = (wake: InterruptibleSleep, ms = hourMs) =>
  within('the end of a sleep', wake.sleep(ms))

test('a sleep ends by itself', async () => {
  await sleep(new InterruptibleSleep(), 1)
})

test('a sleep that is under way is cut short', async () => {
  const wake = new InterruptibleSleep()
  const slept = sleep(wake)
  wake.now()
  await slept
  assert.equal(wake.isOver, false)
})

test('a wake-up while awake cancels the next sleep, and only that one', async () => {
  const wake = new InterruptibleSleep()
  wake.now()
  wake.now()
  await sleep(wake)
  let isAwake = false
  const slept = sleep(wake).then(() => {
    isAwake = true
  })
  await new Promise(setImmediate)
  assert.equal(isAwake, false)
  wake.now()
  await slept
})

test('after the end there is no sleep', async () => {
  const wake = new InterruptibleSleep()
  const slept = sleep(wake)
  wake.end()
  await slept
  assert.ok(wake.isOver)
  await sleep(wake)
})
