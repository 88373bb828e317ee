import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { batchSize, oldWorkersKept, type Surge } from '../../../src/lifecycle/surge.ts'

const anyCount = fc.integer({ min: 1, max: 64 })
const anySurge: fc.Arbitrary<Surge> = fc.oneof(fc.constant('all' as const), anyCount)

/** Rolls a generation out; each step is what there is while a batch comes up, and after it has taken over. */
function steps(old: number, wanted: number, surge: Surge) {
  const seen: { ready: number; kept: number; coming: number }[] = []
  let ready = 0
  let kept = old
  while (ready < wanted) {
    const coming = batchSize(ready, wanted, surge)
    seen.push({ ready, kept, coming })
    ready += coming
    kept = oldWorkersKept(ready, wanted, old)
    seen.push({ ready, kept, coming: 0 })
    assert.ok(seen.length <= 2 * wanted, 'it does not end')
  }
  return seen
}

test('capacity never drops below the smaller number nor below the old one before the new is complete', () => {
  fc.assert(
    fc.property(anyCount, anyCount, anySurge, (old, wanted, surge) => {
      for (const { ready, kept } of steps(old, wanted, surge)) {
        assert.ok(ready === wanted || ready + kept >= old)
        assert.ok(ready + kept >= Math.min(old, wanted))
      }
    }),
  )
})

test('there are never more than the number of workers and the surge', () => {
  fc.assert(
    fc.property(anyCount, anyCount, anySurge, (old, wanted, surge) => {
      for (const { ready, kept, coming } of steps(old, wanted, surge)) {
        const most = Math.max(old, wanted) + (surge === 'all' ? wanted : surge)
        assert.ok(ready + kept + coming <= most, `${ready} + ${kept} + ${coming} of ${most}`)
      }
    }),
  )
})

test('in the end only the new generation is left, and no old worker ever comes back', () => {
  fc.assert(
    fc.property(anyCount, anyCount, anySurge, (old, wanted, surge) => {
      const kept = steps(old, wanted, surge).map((step) => step.kept)
      assert.equal(kept.at(-1), 0)
      assert.deepEqual(
        kept,
        kept.toSorted((a, b) => b - a),
      )
    }),
  )
})

test('"all" is one batch, and so is a surge of more than there are', () => {
  assert.equal(batchSize(0, 4, 'all'), 4)
  assert.equal(batchSize(0, 4, 9), 4)
  assert.deepEqual([batchSize(0, 5, 2), batchSize(2, 5, 2), batchSize(4, 5, 2)], [2, 2, 1])
})

test('equal numbers are exchanged one for one, more than before let go late, fewer at the end', () => {
  const kept = (old: number, wanted: number) =>
    Array.from({ length: wanted }, (_, at) => oldWorkersKept(at + 1, wanted, old))
  assert.deepEqual(kept(4, 4), [3, 2, 1, 0])
  assert.deepEqual(kept(2, 4), [2, 2, 1, 0])
  assert.deepEqual(kept(4, 2), [3, 0])
})
