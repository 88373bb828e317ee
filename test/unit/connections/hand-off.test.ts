import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { AccessLog } from '../../../src/connections/access-log.ts'
import { Accounts } from '../../../src/connections/accounts.ts'
import { Dispatcher } from '../../../src/connections/dispatcher.ts'
import type { HandOff, HandOffListener } from '../../../src/connections/hand-off.ts'
import type { PendingConnection } from '../../../src/connections/pending-connection.ts'
import { ConnectionQueue } from '../../../src/connections/queue.ts'
import { Shedding } from '../../../src/connections/shedding.ts'
import { Stats } from '../../../src/connections/stats.ts'
import { Events } from '../../../src/telemetry/events.ts'
import { LooseHandle } from '../support/handles.ts'
import { keptLog } from '../support/kept-log.ts'
import { anywhere } from '../support/pending.ts'
import { settingsOf } from '../support/stage.ts'

/** A hand-off that offers nothing to anybody: free workers take the first connection from a short queue of its own. */
class SharedQueue implements HandOff {
  readonly #accounts: Accounts
  readonly #waiting: PendingConnection[] = []
  #dispatcher!: HandOffListener

  constructor(accounts: Accounts) {
    this.#accounts = accounts
  }

  get hasRoom(): boolean {
    return this.#waiting.length < 2
  }

  get hasIdle(): boolean {
    return false
  }

  get waiting(): number {
    return this.#waiting.length
  }

  get oldestAcceptedAtMs(): number | undefined {
    return this.#waiting[0]?.acceptedAtMs
  }

  settle(): void {}

  recall(): PendingConnection[] {
    return this.#waiting.splice(0)
  }

  permit(): void {}

  reportTo(dispatcher: HandOffListener): void {
    this.#dispatcher = dispatcher
  }

  take(connection: PendingConnection): void {
    this.#waiting.push(connection)
  }

  /** A worker takes the first connection; undefined when there is none. */
  next(): PendingConnection | undefined {
    const first = this.#waiting.shift()
    if (first === undefined) return undefined
    this.#accounts.apply(first, 'claim')
    this.#dispatcher.pump()
    return first
  }

  /** The worker has served it. */
  served(connection: PendingConnection): void {
    this.#dispatcher.close(connection, 'serve', { number: 1 })
  }
}

function shared(t: TestContext) {
  const { log } = keptLog()
  const accounts = new Accounts()
  const handOff = new SharedQueue(accounts)
  const queue = new ConnectionQueue((late) => dispatcher.expire(late))
  queue.limit({ max: 3, maxWaitMs: 60_000 })
  t.after(() => queue.close())
  const dispatcher: Dispatcher = new Dispatcher(
    {
      queue,
      room: { has: () => true },
      accounts,
      stats: new Stats(),
      handOff,
      accessLog: new AccessLog(log),
      shedding: new Shedding(new Events(log)),
      log,
    },
    { mayHandOut: () => true, onClosed() {} },
  )
  dispatcher.apply(settingsOf(3, 0))
  return { accounts, handOff, queue, dispatcher }
}

test('a hand-off from which free workers take gets the head of the queue as long as it has room', (t) => {
  const { accounts, handOff, queue, dispatcher } = shared(t)
  for (let count = 0; count < 6; count += 1) dispatcher.accept(new LooseHandle(), anywhere)
  // Two are with the hand-off and one is queued here: no more than three may wait.
  assert.equal(queue.length, 1)
  assert.deepEqual([accounts.counts.queued, accounts.counts.shed], [3, 3])
  const taken: number[] = []
  for (let next = handOff.next(); next !== undefined; next = handOff.next()) {
    assert.equal(accounts.counts.active, 1)
    handOff.served(next)
    taken.push(next.id)
  }
  assert.deepEqual(taken, [1, 2, 3])
  assert.deepEqual([accounts.counts.served, accounts.counts.queued], [3, 0])
})
