import type { ListenSettings } from '../config/listen.ts'
import type { Config } from '../config/load.ts'
import type { SocketHandle } from '../ipc/socket-handle.ts'
import type { HandOffChoice } from '../native/choose-hand-off.ts'
import { mostListeners } from '../native/native.ts'
import type { Lifeline } from '../rescue/lifeline.ts'
import type { Rescued } from '../rescue/rescue.ts'
import type { Notes } from '../rescue/rescue-messages.ts'
import type { ConnectionCounts, StatsTotals, Status } from '../status.ts'
import type { Events } from '../telemetry/events.ts'
import type { Logger } from '../telemetry/logger.ts'
import { AccessLog } from './access-log.ts'
import { Accounts } from './accounts.ts'
import { Dispatcher, type DispatcherOwner } from './dispatcher.ts'
import { EndpointTable } from './endpoint-table.ts'
import type { WorkerHandOff } from './hand-off.ts'
import { Listeners } from './listeners.ts'
import type { NativeAccepting } from './native-acceptor.ts'
import { NativeHandOff } from './native-hand-off.ts'
import { NativeSocket } from './native-socket.ts'
import { PortableHandOff } from './portable-hand-off.ts'
import { ConnectionQueue } from './queue.ts'
import { QueueRoom } from './queue-room.ts'
import { momentNow } from './shared-time.ts'
import { Shedding } from './shedding.ts'
import { Stats } from './stats.ts'

/**
 * How often to look for clients that left the queue, and how long a connection waits before it is checked;
 * milliseconds.
 */
const checkEveryMs = 1_000

/** A connection that another process has passed on. */
export interface Adoption {
  readonly handle: SocketHandle
  readonly id: number
  readonly ageMs: number
  readonly settings: ListenSettings
  /** What that process has read of it. */
  readonly preface: Buffer | undefined
}

/** What outlives this process, and what it notes there; only where there is a native hand-off. */
export interface Keeping {
  readonly lifeline: Lifeline
  readonly notes: () => Notes
}

/**
 * The path of a connection in the primary: accepted by the listeners, queued by the dispatcher, handed off to a worker,
 * ended; and everything that is counted on the way.
 */
export class Connections {
  readonly accounts: Accounts
  readonly stats = new Stats()
  readonly room: QueueRoom
  readonly handOff: WorkerHandOff
  readonly #choice: HandOffChoice
  readonly dispatcher: Dispatcher
  readonly listeners: Listeners
  readonly #queue: ConnectionQueue
  readonly #accessLog: AccessLog
  readonly #keeping: Keeping | undefined
  readonly #native: NativeHandOff | undefined
  readonly #endpoints = new EndpointTable()
  /** Whether the listening sockets of this moment are left to the workers. */
  #areLeft = false
  readonly #log: Logger
  #checks: NodeJS.Timeout | undefined

  /** @param lastId - connections are numbered from the next one on */
  constructor(
    config: Config,
    owner: DispatcherOwner,
    events: Events,
    log: Logger,
    lastId: number | undefined,
    choice: HandOffChoice,
    keeping?: Keeping,
  ) {
    const { stats } = this
    const accounts = new Accounts(keeping?.lifeline.ledger.counts)
    this.accounts = accounts
    this.#keeping = keeping
    this.#log = log
    this.#choice = choice
    this.#accessLog = new AccessLog(log)
    this.#queue = new ConnectionQueue((late) => this.dispatcher.expire(late))
    this.room = new QueueRoom(this.#queue, events, log)
    const { native } = choice
    let accepting: NativeAccepting | undefined
    if (native === undefined || keeping === undefined) {
      this.handOff = new PortableHandOff(accounts, stats, log)
    } else {
      const { lifeline } = keeping
      const handOff = new NativeHandOff({
        native,
        accounts,
        stats,
        limits: this.#queue,
        endpoints: this.#endpoints,
        lifeline,
        log,
      })
      this.handOff = handOff
      this.#native = handOff
      accepting = { native, rest: handOff.rest, ledger: lifeline.ledger }
    }
    const { room, handOff } = this
    const shedding = new Shedding(events)
    const parts = {
      queue: this.#queue,
      room,
      accounts,
      stats: this.stats,
      handOff,
      accessLog: this.#accessLog,
      shedding,
      log,
    }
    this.dispatcher = new Dispatcher(parts, owner, lastId)
    this.listeners = new Listeners(
      this.dispatcher,
      log,
      accepting,
      () => this.#onListeners(),
      this.#endpoints,
    )
    this.apply(config)
  }

  /** Applies the limits of the queue and of each client, and whether connections are logged. */
  apply(config: Config): void {
    this.room.apply(config)
    this.dispatcher.apply(config)
    this.#accessLog.apply(config)
    this.#serveGate()
  }

  #onListeners(): void {
    this.#areLeft = false
    this.#serveGate()
    this.leave()
  }

  /** Lets workers accept by themselves where nothing has to be known of a client before. */
  #serveGate(): void {
    if (this.#native === undefined) return
    // Workers find the sockets in what is left to them, so that must not be older.
    const isPlain = this.#areLeft && this.dispatcher.admitsAll
    const sockets = isPlain ? this.listeners.gateSockets : []
    this.#native.gate.serve(sockets.length <= mostListeners ? sockets : [])
  }

  /** Begins the regular checks of the queue, the stats and the descriptors. */
  watch(): void {
    this.#checks = setInterval(() => {
      this.dispatcher.probe(checkEveryMs)
      this.stats.sample()
      this.room.check(this.dispatcher)
      this.leave()
    }, checkEveryMs)
  }

  unwatch(): void {
    clearInterval(this.#checks)
  }

  /** Includes what a predecessor has counted so far; replaces its earlier counts. */
  inherit(counts: ConnectionCounts, totals: StatsTotals): void {
    this.accounts.inherit(counts)
    this.stats.inherit(totals)
  }

  /** Takes charge of a connection that was queued in the predecessor. */
  adopt({ handle, id, ageMs, settings, preface }: Adoption): void {
    this.accounts.takeFromInherited()
    const endpoint = this.listeners.endpoints.numbered(settings)
    this.dispatcher.adopt(id, handle, endpoint, ageMs, preface)
  }

  /** The predecessor has ended, and with it all connections that it still had. */
  writeOff(): void {
    this.accounts.writeOff()
  }

  /**
   * Continues after a primary that was killed. What it had handed off is in the queue still, or with its workers; what
   * waited in that primary itself is lost.
   *
   * @returns how many connections were lost
   */
  continueAfter({ ledger, notes, orphans }: Rescued): number {
    const { listeners, stats } = this
    const handOff = this.#native
    if (handOff === undefined || this.#choice.native === undefined) return 0
    const { native } = this.#choice
    for (const settings of notes.endpoints) listeners.endpoints.numbered(settings)
    const { accepted, ...ends } = ledger.counts
    const entries = ledger.entries.filter(({ endpoint }) => endpoint < notes.endpoints.length)
    const open = Object.values(ends).reduce((left, count) => left - count, accepted)
    const lost = Math.max(0, open - entries.length)
    const failed = ends.failed + lost
    this.inherit({ accepted, ...ends, failed, queued: entries.length, active: 0 }, notes.figures)
    for (let each = 0; each < lost; each += 1) stats.failed('dropped')
    const { sharedMs } = momentNow()
    const adopted = entries.map(({ id, turn, nonce, endpoint, acceptedAtMs, address, path }) => {
      this.accounts.takeFromInherited()
      const handle = new NativeSocket(native, -1, address)
      const settings = listeners.endpoints.at(endpoint)
      const ageMs = sharedMs - acceptedAtMs
      const named = path === undefined ? undefined : { path }
      const connection = this.dispatcher.resume(id, handle, settings, ageMs, named)
      connection.turn = turn
      connection.nonce = nonce
      return connection
    })
    handOff.adopt(adopted, ledger.grants)
    orphans.report(handOff)
    void orphans.gone.then(() => handOff.onOrphansGone())
    return lost
  }

  /** Leaves to the next primary what it needs, should this one be killed: once a second, and when it has changed. */
  leave(): void {
    if (this.#keeping === undefined || this.#native === undefined) return
    const { lifeline, notes } = this.#keeping
    try {
      lifeline.ledger.write(JSON.stringify(notes()))
      lifeline.leave(this.#native.queue, this.listeners.left)
      if (this.#areLeft) return
      this.#areLeft = true
      this.#serveGate()
    } catch (error) {
      // Without that, only a killed primary costs more than it must.
      this.#log.error({ error }, 'Cannot leave the listening sockets to the workers')
    }
  }

  /** Its part of the status, once the hand-off has settled. */
  get status(): Pick<
    Status,
    'queue' | 'connections' | 'rates' | 'handOff' | 'handOffReason' | 'acceptor'
  > {
    const { length, max, oldestMs } = this.#queue
    const { kind, waiting, oldestAcceptedAtMs } = this.handOff
    const headMs = waiting > 0 ? performance.now() - (oldestAcceptedAtMs ?? 0) : oldestMs
    return {
      queue: { length: length + waiting, max, oldestMs: Math.round(headMs) },
      handOff: kind,
      handOffReason: this.#choice.reason,
      acceptor: this.#native?.gate.state === 'open' ? 'workers' : 'primary',
      connections: this.accounts.counts,
      rates: this.stats.rates,
    }
  }
}
