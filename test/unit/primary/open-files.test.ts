import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { affordableQueue, queueLimits } from '../../../src/primary/open-files.ts'
import { load } from '../support/config-file.ts'
import { keptLog } from '../support/kept-log.ts'

test('a queue that fits is as long as it was wanted', () => {
  assert.equal(affordableQueue(10_000, 4, 1_048_576), 10_000)
  assert.equal(affordableQueue(10_000, 4, Number.POSITIVE_INFINITY), 10_000)
})

test('a queue never takes the descriptors that the primary and its workers need', () => {
  fc.assert(
    fc.property(
      fc.nat(),
      fc.integer({ min: 1, max: 1_024 }),
      fc.nat(),
      (wanted, workers, limit) => {
        const queue = affordableQueue(wanted, workers, limit)
        assert.ok(queue >= 0 && queue <= wanted)
        assert.ok(queue === 0 || queue + 2 * workers < limit)
      },
    ),
  )
})

test('more workers never make the queue longer', () => {
  fc.assert(
    fc.property(
      fc.nat(),
      fc.integer({ min: 1, max: 1_023 }),
      fc.nat(),
      (wanted, workers, limit) => {
        const before = affordableQueue(wanted, workers, limit)
        assert.ok(affordableQueue(wanted, workers + 1, limit) <= before)
      },
    ),
  )
})

test('a queue that is cut down to what the system allows is talked about', (t) => {
  const { log, lines } = keptLog()
  const config = load(t, { workers: 2, queue: { max: 1_000_000, maxWaitMs: 7 } })
  const { max, maxWaitMs } = queueLimits(config, log)
  assert.equal(max, affordableQueue(1_000_000, 2))
  assert.equal(maxWaitMs, 7)
  assert.equal(lines.length, max < 1_000_000 ? 1 : 0)
})
