import type { TestContext } from 'node:test'
import { AccessLog } from '../../../src/connections/access-log.ts'
import { Accounts } from '../../../src/connections/accounts.ts'
import { Dispatcher } from '../../../src/connections/dispatcher.ts'
import { EndpointTable } from '../../../src/connections/endpoint-table.ts'
import type { QueueEnds } from '../../../src/connections/kernel-queue.ts'
import { Ledger, ledgerBytes } from '../../../src/connections/ledger.ts'
import { NativeHandOff } from '../../../src/connections/native-hand-off.ts'
import { ConnectionQueue } from '../../../src/connections/queue.ts'
import { Shedding } from '../../../src/connections/shedding.ts'
import { Stats } from '../../../src/connections/stats.ts'
import { Events } from '../../../src/telemetry/events.ts'
import { keptLog } from './kept-log.ts'
import { nativeModule } from './native-consumer.ts'
import { settingsOf } from './stage.ts'

export interface NativeStageLimits {
  readonly max?: number
  readonly maxWaitMs?: number
  readonly maxPerClient?: number
  /** The queue of another stage. */
  readonly given?: QueueEnds
}

/** A dispatcher with its real queue, accounts and native hand-off, which a test may give other functions. */
export function nativeStage(
  t: TestContext,
  { max = 100, maxWaitMs = 60_000, maxPerClient = 0, given }: NativeStageLimits = {},
) {
  const page = nativeModule().openPage(ledgerBytes, true, 'ledger')
  if (typeof page === 'number') throw new Error(`openPage: ${page}`)
  t.after(() => nativeModule().close(page.fd))
  const ledger = new Ledger(page.memory)
  const lifeline = { ledger, mark: 'page', fds: [], queue: given }
  const accounts = new Accounts(ledger.counts)
  const { log, lines } = keptLog('debug')
  const queue = new ConnectionQueue((late) => dispatcher.expire(late))
  queue.limit({ max, maxWaitMs })
  const native = { ...nativeModule() }
  const stats = new Stats()
  const endpoints = new EndpointTable()
  const handOff = new NativeHandOff({
    native,
    accounts,
    stats,
    limits: queue,
    endpoints,
    lifeline,
    log,
  })
  let notes = 0
  const dispatcher: Dispatcher = new Dispatcher(
    {
      queue,
      room: { has: () => true },
      accounts,
      handOff,
      accessLog: new AccessLog(log),
      shedding: new Shedding(new Events(log)),
      stats,
      log,
    },
    {
      mayHandOut: () => true,
      onClosed: () => {
        notes += 1
      },
    },
  )
  dispatcher.apply(settingsOf(max, maxPerClient))
  handOff.permit(Number.POSITIVE_INFINITY)
  t.after(() => {
    dispatcher.abandon()
    queue.close()
    handOff.close()
  })
  return {
    native,
    ledger,
    ledgerFd: page.fd,
    endpoints,
    handOff,
    dispatcher,
    queue,
    accounts,
    stats,
    log,
    lines,
    notes: () => notes,
  }
}
