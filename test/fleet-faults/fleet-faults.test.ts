import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { shuffled } from '../helpers/deck.ts'
import { noNetworks } from '../helpers/network.ts'
import { chooseSeed, randomFrom } from '../helpers/random.ts'
import type { Lock } from './contender/messages.ts'
import type { Fault, Scene } from './fault.ts'
import {
  scenesOfFailover,
  scenesOfNaive,
  scenesOfNaiveFailover,
  scenesOfOne,
  scenesOfPartitions,
  scenesWithoutWait,
} from './faults/index.ts'
import { problemsOf, report } from './report.ts'
import { type Result, runSuite } from './suite.ts'

/** Shorter than one would set it, so that a run is short; longer than the machine's delays. */
const shortTtlMs = 1_000
/** Time enough for the Sentinels to see to a change. */
const longTtlMs = 3_000
/** Long enough to keep the lease through a change of masters, however busy the machine is. */
const longestTtlMs = 6_000

/**
 * What is wrong with a lock shows when its holder does not look before a rival does, and now and then it does: so often
 * a control is run at the most.
 */
const runsOfControl = 8

const seed = chooseSeed()
const skip = noNetworks() ?? false

const fleets = [
  { what: 'with one Redis', scenes: scenesOfOne, ttlMs: shortTtlMs, skip: false },
  { what: 'when the master changes', scenes: scenesOfFailover, ttlMs: longestTtlMs, skip: false },
  { what: 'when the network parts', scenes: scenesOfPartitions, ttlMs: longTtlMs, skip },
]

const controls: readonly {
  readonly what: string
  readonly lock: Lock
  readonly scenes: readonly Scene[]
  readonly skip: string | false
}[] = [
  { what: 'a naive lock', lock: 'naive', scenes: scenesOfNaive, skip: false },
  { what: 'a naive lock', lock: 'naive', scenes: scenesOfNaiveFailover, skip: false },
  { what: 'no WAIT', lock: 'shared', scenes: scenesWithoutWait, skip },
]

/** The faults that led to what must never happen. */
function violatedBy({ violations, told }: Result): (Fault | undefined)[] {
  const begun = told.toSorted((one, other) => one.fromMs - other.fromMs)
  return violations.map(({ atMs }) => begun.findLast(({ fromMs }) => fromMs <= atMs)?.fault)
}

describe(`the shared lease (HELLOSERVER_TEST_SEED=${seed})`, { concurrency: 3 }, () => {
  for (const { what, scenes, ttlMs, ...options } of fleets) {
    test(`${what}, no fault lets two serve`, options, async (t) => {
      const sequence = shuffled(scenes, randomFrom(seed))
      const result = await runSuite(t, { seed, sequence, ttlMs })
      t.diagnostic(report(result))
      assert.deepEqual(problemsOf(result), [])
    })
  }

  for (const { what, lock, scenes, ...options } of controls) {
    const names = scenes.map(({ fault }) => fault.name)
    test(`${what} does not pass: ${names.join(', ')}`, options, async (t) => {
      let passed = scenes
      for (let run = 0; passed.length > 0 && run < runsOfControl; run += 1) {
        const result = await runSuite(t, {
          seed: seed + run,
          sequence: passed,
          ttlMs: shortTtlMs,
          lock,
        })
        for (const { wrong, story } of result.violations) t.diagnostic(`${wrong}: ${story}`)
        const found = violatedBy(result)
        passed = passed.filter(({ fault }) => !found.includes(fault))
      }
      const missed = passed.map(({ fault }) => fault.name)
      assert.deepEqual(missed, [], 'the suite has found nothing there')
    })
  }
})
