import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shuffled } from '../helpers/deck.ts'
import { chooseSeed, randomFrom } from '../helpers/random.ts'
import { scenesOfFailover } from './faults/index.ts'
import { problemsOf, report } from './report.ts'
import { runSuite } from './suite.ts'

/** A holder keeps its lease through a change of masters, for which this must be long enough. */
const ttlMs = 3_000

const seed = chooseSeed()

test(`when the master changes, two never serve (HELLOSERVER_TEST_SEED=${seed})`, async (t) => {
  const possible = scenesOfFailover.filter(({ setting }) => {
    const missing = setting.missing?.()
    if (missing !== undefined) t.diagnostic(`Leaves out ${setting.name}: ${missing}`)
    return missing === undefined
  })
  const sequence = shuffled(possible, randomFrom(seed))
  const result = await runSuite(t, { seed, sequence, ttlMs })
  t.diagnostic(report(result))
  assert.deepEqual(problemsOf(result), [])
})
