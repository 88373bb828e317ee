import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { shuffled } from '../helpers/deck.ts'
import { noNetworks } from '../helpers/network.ts'
import { chooseSeed, randomFrom } from '../helpers/random.ts'
import type { Lock } from './contender/messages.ts'
import type { Scene } from './fault.ts'
import {
  scenesOfFailover,
  scenesOfNaive,
  scenesOfOne,
  scenesOfPartitions,
  scenesWithoutWait,
} from './faults/index.ts'
import { problemsOf, report } from './report.ts'
import { runSuite } from './suite.ts'
import type { Violation } from './verdict.ts'

/** Shorter than one would set it, so that a run is short; longer than the machine's delays. */
const shortTtlMs = 1_000
/** Long enough to keep the lease through a change of masters. */
const longTtlMs = 3_000

/**
 * What is wrong with a lock shows when its holder does not look before a rival does, and now and then it does: so often
 * a control is run at the most.
 */
const runsOfControl = 8

const seed = chooseSeed()
const skip = noNetworks() ?? false

const fleets = [
  { what: 'with one Redis', scenes: scenesOfOne, ttlMs: shortTtlMs, skip: false },
  { what: 'when the master changes', scenes: scenesOfFailover, ttlMs: longTtlMs, skip: false },
  { what: 'when the network parts', scenes: scenesOfPartitions, ttlMs: longTtlMs, skip },
]

const controls: readonly {
  readonly what: string
  readonly lock: Lock
  readonly scene: Scene
  readonly skip: string | false
}[] = [
  ...scenesOfNaive.map(
    (scene) => ({ what: 'a naive lock', lock: 'naive', scene, skip: false }) as const,
  ),
  ...scenesWithoutWait.map((scene) => ({ what: 'no WAIT', lock: 'shared', scene, skip }) as const),
]

describe(`the shared lease (HELLOSERVER_TEST_SEED=${seed})`, { concurrency: 3 }, () => {
  for (const { what, scenes, ttlMs, ...options } of fleets) {
    test(`${what}, no fault lets two serve`, options, async (t) => {
      const sequence = shuffled(scenes, randomFrom(seed))
      const result = await runSuite(t, { seed, sequence, ttlMs })
      t.diagnostic(report(result))
      assert.deepEqual(problemsOf(result), [])
    })
  }

  for (const { what, lock, scene, ...options } of controls) {
    test(`${what} does not pass: ${scene.fault.name}`, options, async (t) => {
      let violations: readonly Violation[] = []
      for (let run = 0; violations.length === 0 && run < runsOfControl; run += 1) {
        const result = await runSuite(t, {
          seed: seed + run,
          sequence: [scene],
          ttlMs: shortTtlMs,
          lock,
        })
        violations = result.violations
      }
      t.diagnostic(violations.map(({ wrong, story }) => `${wrong}: ${story}`).join('\n'))
      assert.ok(violations.length > 0, 'the suite has found nothing')
    })
  }
})
