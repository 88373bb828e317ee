import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shuffled } from '../helpers/deck.ts'
import { chooseSeed, randomFrom } from '../helpers/random.ts'
import { scenesOfOne } from './faults/index.ts'
import { problemsOf, report } from './report.ts'
import { runSuite } from './suite.ts'

/** Shorter than one would set it, so that a run is short; longer than the machine's delays. */
const ttlMs = 1_000

const seed = chooseSeed()

test(`with one Redis, no fault lets two serve (HELLOSERVER_TEST_SEED=${seed})`, async (t) => {
  const sequence = shuffled(scenesOfOne, randomFrom(seed))
  const result = await runSuite(t, { seed, sequence, ttlMs })
  t.diagnostic(report(result))
  assert.deepEqual(problemsOf(result), [])
})
