import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Fitness } from '../../../src/pool/fitness.ts'
import { Clock } from '../support/clock.ts'

const apartMs = 500

function offered(): Fitness {
  const fitness = new Fitness()
  fitness.begin()
  fitness.offered(1)
  return fitness
}

test('heartbeats that piled up while the primary was paused condemn nobody', (t) => {
  const clock = new Clock(t)
  const fitness = offered()
  for (let beat = 0; beat < 10; beat += 1) assert.equal(fitness.ignores(apartMs), false)
  clock.advance(1_000)
  for (let beat = 0; beat < 10; beat += 1) assert.equal(fitness.ignores(apartMs), false)
})

test('a worker that does not know of its offer for three heartbeats is condemned', (t) => {
  const clock = new Clock(t)
  const fitness = offered()
  const verdicts = [1, 2, 3].map(() => {
    clock.advance(1_000)
    return fitness.ignores(apartMs)
  })
  assert.deepEqual(verdicts, [false, false, true])
})

test('a new offer begins anew', (t) => {
  const clock = new Clock(t)
  const fitness = offered()
  for (const id of [2, 3, 4, 5]) {
    clock.advance(1_000)
    assert.equal(fitness.ignores(apartMs), false)
    fitness.offered(id)
  }
})
