import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import fc from 'fast-check'
import type { PendingConnection } from '../../../src/connections/pending-connection.ts'
import { ConnectionQueue } from '../../../src/connections/queue.ts'
import { pending } from '../support/pending.ts'

const limits = { max: 6, maxWaitMs: 50 }

/** The queue as anyone would write it: an array, sorted, and looked at after every step of the clock. */
class Model {
  nowMs = 0
  waiting: PendingConnection[] = []
  readonly expired: number[] = []

  advance(ms: number): void {
    this.nowMs += ms
    const isLate = ({ acceptedAtMs }: PendingConnection) =>
      this.nowMs - acceptedAtMs >= limits.maxWaitMs
    this.expired.push(...this.waiting.filter(isLate).map(({ id }) => id))
    this.waiting = this.waiting.filter((connection) => !isLate(connection))
  }

  push(connection: PendingConnection): boolean {
    if (this.waiting.length >= limits.max) return false
    this.waiting.push(connection)
    return true
  }

  putBack(connection: PendingConnection): void {
    this.waiting = [...this.waiting, connection].toSorted((a, b) => a.id - b.id)
  }

  remove(connection: PendingConnection): boolean {
    const before = this.waiting.length
    this.waiting = this.waiting.filter((other) => other !== connection)
    return this.waiting.length < before
  }
}

/** What is done next; the number picks a connection or says how many milliseconds pass. */
const anyStep = fc.tuple(
  fc.constantFrom('push', 'push', 'shift', 'put back', 'remove', 'advance'),
  fc.nat({ max: 40 }),
)

test('any sequence of operations leaves the queue as the model has it', () => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 80 }), (steps) => {
      mock.timers.enable({ apis: ['setTimeout'] })
      const model = new Model()
      const expired: number[] = []
      const queue = new ConnectionQueue(
        ({ id }) => expired.push(id),
        () => model.nowMs,
      )
      queue.limit(limits)
      const seen: PendingConnection[] = []
      const taken: PendingConnection[] = []
      try {
        for (const [what, number] of steps) {
          switch (what) {
            case 'push': {
              const connection = pending(seen.length + 1, model.nowMs)
              seen.push(connection)
              assert.equal(queue.push(connection), model.push(connection))
              break
            }
            case 'shift': {
              const connection = queue.shift()
              assert.equal(connection, model.waiting.shift())
              if (connection !== undefined) taken.push(connection)
              break
            }
            case 'put back': {
              const [connection] = taken.splice(number % Math.max(1, taken.length), 1)
              if (connection === undefined) break
              queue.putBack(connection)
              model.putBack(connection)
              break
            }
            case 'remove': {
              const connection = seen[number % Math.max(1, seen.length)]
              if (connection === undefined) break
              assert.equal(queue.remove(connection), model.remove(connection))
              break
            }
            case 'advance':
              model.advance(number + 1)
              mock.timers.tick(number + 1)
              break
          }
          assert.deepEqual(
            [...queue].map(({ id }) => id),
            model.waiting.map(({ id }) => id),
          )
          assert.equal(queue.length, model.waiting.length)
          assert.deepEqual(expired, model.expired)
        }
      } finally {
        mock.timers.reset()
      }
    }),
    { numRuns: 300 },
  )
})
