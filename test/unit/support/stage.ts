import type { TestContext } from 'node:test'
import { AccessLog } from '../../../src/connections/access-log.ts'
import { Accounts } from '../../../src/connections/accounts.ts'
import { Dispatcher, type DispatcherSettings } from '../../../src/connections/dispatcher.ts'
import type { HandOffWorker } from '../../../src/connections/hand-off.ts'
import type { PendingConnection } from '../../../src/connections/pending-connection.ts'
import { PortableHandOff } from '../../../src/connections/portable-hand-off.ts'
import { ConnectionQueue } from '../../../src/connections/queue.ts'
import { Shedding } from '../../../src/connections/shedding.ts'
import { Stats } from '../../../src/connections/stats.ts'
import { type Step, uncounted } from '../../../src/ipc/progress.ts'
import { Events } from '../../../src/telemetry/events.ts'
import { keptLog } from './kept-log.ts'

/** A worker without a process: it only remembers what it is offered. */
export class BareWorker implements HandOffWorker {
  readonly number: number
  readonly offered: PendingConnection[] = []
  inHand: PendingConnection | undefined
  served = 0
  isAdmitted = false
  isRetiring = false
  readonly faults: string[] = []

  constructor(number: number) {
    this.number = number
  }

  get isIdle(): boolean {
    return !this.isRetiring && this.inHand === undefined
  }

  offer(connection: PendingConnection): void {
    if (this.inHand !== undefined) throw new Error('A worker has one connection at a time')
    this.inHand = connection
    this.offered.push(connection)
  }

  hasClaimed(): boolean {
    return false
  }

  admit(): void {
    this.isAdmitted = true
  }

  took(connection: PendingConnection): void {
    this.offer(connection)
  }

  distrust(reason: string): void {
    this.faults.push(reason)
    this.isRetiring = true
  }

  release(isServed: boolean): void {
    this.inHand = undefined
    if (isServed) this.served += 1
  }

  lose(isServed: boolean): void {
    this.release(isServed)
  }

  /** The connection in hand; throws when there is none. */
  get current(): PendingConnection {
    if (this.inHand === undefined) throw new Error(`Worker ${this.number} has nothing in hand`)
    return this.inHand
  }
}

/** The settings of a dispatcher, without an access log. */
export function settingsOf(max: number, maxPerClient: number): DispatcherSettings {
  return {
    access: { allow: [], deny: [], maxPerSecond: 0 },
    queue: { max, maxWaitMs: 60_000, maxPerClient },
    connection: { handshakeTimeoutMs: 60_000 },
    log: { access: false, syslog: 'off' },
  }
}

/** A dispatcher with its real queue, accounts and hand-off. */
export function stage(max = 100, maxPerClient = 0) {
  const accounts = new Accounts()
  const { log, lines } = keptLog('debug')
  let closed = 0
  let mayHandOut = true
  const queue = new ConnectionQueue((late) => dispatcher.expire(late))
  queue.limit({ max, maxWaitMs: 60_000 })
  const stats = new Stats()
  const handOff = new PortableHandOff(accounts, stats, log)
  const dispatcher: Dispatcher = new Dispatcher(
    {
      queue,
      room: { has: () => true },
      accounts,
      stats,
      handOff,
      accessLog: new AccessLog(log),
      shedding: new Shedding(new Events(log)),
      log,
    },
    {
      mayHandOut: () => mayHandOut,
      onClosed: () => {
        closed += 1
      },
    },
  )
  dispatcher.apply(settingsOf(max, maxPerClient))
  const report = (worker: BareWorker, step: Step) =>
    handOff.progress(worker, { step, reason: 'none', ...uncounted, id: worker.current.id })
  return {
    accounts,
    stats,
    queue,
    handOff,
    dispatcher,
    lines,
    report,
    allow: (may: boolean) => {
      mayHandOut = may
    },
    closed: () => closed,
  }
}

/** The same for one test, after which the queue's timer is stopped. */
export function staged(t: TestContext, ...limits: Parameters<typeof stage>) {
  const made = stage(...limits)
  t.after(() => made.queue.close())
  return made
}
