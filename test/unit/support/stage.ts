import type { TestContext } from 'node:test'
import { type Step, uncounted } from '../../../src/ipc/progress.ts'
import type { SlotState } from '../../../src/lifecycle/slot-states.ts'
import { Accounts } from '../../../src/connections/accounts.ts'
import { Dispatcher } from '../../../src/connections/dispatcher.ts'
import type { PendingConnection } from '../../../src/connections/pending-connection.ts'
import { ConnectionQueue } from '../../../src/connections/queue.ts'
import type { SlotListener } from '../../../src/pool/slot-listener.ts'
import { WorkerSlot } from '../../../src/pool/worker-slot.ts'
import { keptLog } from './kept-log.ts'

const deaf: SlotListener = {
  onReady() {},
  onLeaving() {},
  onUnfit() {},
  onProgress() {},
  openOutput: () => ({ stdout() {}, stderr() {} }),
  onEnd() {},
}

/** A slot without a process: it only remembers what it is offered. */
export class BareSlot extends WorkerSlot {
  readonly offered: PendingConnection[] = []
  isRetiring = false

  constructor(number: number) {
    super(number, 1, deaf, keptLog().log)
  }

  override get state(): SlotState {
    if (this.isRetiring) return 'retiring'
    return this.inHand === undefined ? 'idle' : 'busy'
  }

  override offer(connection: PendingConnection): void {
    if (this.inHand !== undefined) throw new Error('A worker has one connection at a time')
    this.inHand = connection
    this.offered.push(connection)
  }

  override free(): void {
    this.inHand = undefined
  }

  /** The connection in hand; throws when there is none. */
  get current(): PendingConnection {
    if (this.inHand === undefined) throw new Error(`Worker ${this.number} has nothing in hand`)
    return this.inHand
  }
}

/** A dispatcher with its real queue and accounts. */
export function stage(max = 100, maxPerClient = 0) {
  const accounts = new Accounts()
  const { log, lines } = keptLog('debug')
  let settled = 0
  let full = 0
  let mayHandOut = true
  const handled: { waitMs: number; handlingMs: number }[] = []
  const queue = new ConnectionQueue({ max, maxWaitMs: 60_000 }, (late) => dispatcher.expire(late))
  const dispatcher: Dispatcher = new Dispatcher(
    queue,
    accounts,
    maxPerClient,
    {
      onFull: () => {
        full += 1
      },
      mayHandOut: () => mayHandOut,
      hasRoomFor: () => true,
      onHandled: (waitMs, handlingMs) => void handled.push({ waitMs, handlingMs }),
      onSettled: () => {
        settled += 1
      },
    },
    log,
  )
  const report = (slot: BareSlot, step: Step) =>
    dispatcher.progress(slot, { step, reason: 'none', ...uncounted, id: slot.current.id })
  return {
    accounts,
    queue,
    dispatcher,
    lines,
    report,
    handled,
    full: () => full,
    allow: (may: boolean) => {
      mayHandOut = may
    },
    settled: () => settled,
  }
}

/** The same for one test, after which the queue's timer is stopped. */
export function staged(t: TestContext, ...limits: Parameters<typeof stage>) {
  const made = stage(...limits)
  t.after(() => made.queue.close())
  return made
}
