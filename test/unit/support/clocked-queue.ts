import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { ConnectionQueue, type QueueLimits } from '../../../src/connections/queue.ts'
import { Clock } from './clock.ts'
import { pending } from './pending.ts'

const roomy: QueueLimits = { max: 100, maxWaitMs: 1_000 }

/** A queue on a clock that the test turns. */
export function clockedQueue(t: TestContext, limits = roomy) {
  const clock = new Clock(t)
  const expired: number[] = []
  const queue = new ConnectionQueue((connection) => expired.push(connection.id))
  queue.limit(limits)
  t.after(() => queue.close())
  const advance = (ms: number) => clock.advance(ms)
  const add = (id: number) => {
    const connection = pending(id, clock.nowMs)
    assert.equal(queue.push(connection), true)
    return connection
  }
  return { queue, expired, advance, add }
}
