import assert from 'node:assert/strict'
import { test } from 'node:test'
import { atOnce, inSlices, type Steps } from '../../../src/async/in-slices.ts'
import { turnsDuring } from '../support/turns.ts'

/** Each step takes longer than a slice. */
function* slow(count: number): Steps<number> {
  for (let step = 0; step < count; step += 1) {
    const endMs = performance.now() + 6
    while (performance.now() < endMs);
    yield
  }
  return count
}

test('what is computed in slices holds up nobody, and comes to the same', async () => {
  const slices = inSlices(slow(5))
  const turns = await turnsDuring(slices)
  assert.ok(turns >= 3, `${turns} turns`)
  assert.deepEqual([await slices, atOnce(slow(1))], [5, 1])
})

test('an error in a step is one of the whole', async () => {
  // oxlint-disable-next-line require-yield -- it fails before its first step
  function* fails(): Steps<void> {
    throw new Error('no')
  }
  await assert.rejects(inSlices(fails()), /no/)
  assert.throws(() => atOnce(fails()), /no/)
})
