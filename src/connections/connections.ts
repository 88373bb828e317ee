import type { ListenSettings } from '../config/listen.ts'
import type { Config } from '../config/load.ts'
import type { SocketHandle } from '../ipc/socket-handle.ts'
import type { HandOffChoice } from '../native/choose-hand-off.ts'
import type { ConnectionCounts, StatsTotals, Status } from '../status.ts'
import type { Events } from '../telemetry/events.ts'
import type { Logger } from '../telemetry/logger.ts'
import { AcceptRest } from './accept-rest.ts'
import { AccessLog } from './access-log.ts'
import { Accounts } from './accounts.ts'
import { Dispatcher, type DispatcherOwner } from './dispatcher.ts'
import type { WorkerHandOff } from './hand-off.ts'
import type { NativeAccepting } from './listener.ts'
import { Listeners } from './listeners.ts'
import { NativeHandOff } from './native-hand-off.ts'
import { PortableHandOff } from './portable-hand-off.ts'
import { ConnectionQueue } from './queue.ts'
import { QueueRoom } from './queue-room.ts'
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

/**
 * The path of a connection in the primary: accepted by the listeners, queued by the dispatcher, handed off to a worker,
 * ended; and everything that is counted on the way.
 */
export class Connections {
  readonly accounts = new Accounts()
  readonly stats = new Stats()
  readonly room: QueueRoom
  readonly handOff: WorkerHandOff
  readonly #choice: HandOffChoice
  readonly dispatcher: Dispatcher
  readonly listeners: Listeners
  readonly #queue: ConnectionQueue
  readonly #accessLog: AccessLog
  #checks: NodeJS.Timeout | undefined

  /** @param lastId - connections are numbered from the next one on */
  constructor(
    config: Config,
    owner: DispatcherOwner,
    events: Events,
    log: Logger,
    lastId: number | undefined,
    choice: HandOffChoice,
  ) {
    const { accounts, stats } = this
    this.#choice = choice
    this.#accessLog = new AccessLog(log)
    this.#queue = new ConnectionQueue((late) => this.dispatcher.expire(late))
    this.room = new QueueRoom(this.#queue, events, log)
    const { native } = choice
    let accepting: NativeAccepting | undefined
    if (native === undefined) this.handOff = new PortableHandOff(accounts, stats, log)
    else {
      const handOff = new NativeHandOff(native, accounts, stats, this.#queue, log)
      this.handOff = handOff
      accepting = { native, rest: new AcceptRest(handOff) }
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
    this.listeners = new Listeners(this.dispatcher, log, accepting)
    this.apply(config)
  }

  /** Applies the limits of the queue and of each client, and whether connections are logged. */
  apply(config: Config): void {
    this.room.apply(config)
    this.dispatcher.apply(config)
    this.#accessLog.apply(config)
  }

  /** Begins the regular checks of the queue, the stats and the descriptors. */
  watch(): void {
    this.#checks = setInterval(() => {
      this.dispatcher.probe(checkEveryMs)
      this.stats.sample()
      this.room.check(this.dispatcher)
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

  /** Its part of the status, once the hand-off has settled. */
  get status(): Pick<Status, 'queue' | 'connections' | 'rates' | 'handOff' | 'handOffReason'> {
    const { length, max, oldestMs } = this.#queue
    const { kind, waiting, oldestAcceptedAtMs } = this.handOff
    const headMs = waiting > 0 ? performance.now() - (oldestAcceptedAtMs ?? 0) : oldestMs
    return {
      queue: { length: length + waiting, max, oldestMs: Math.round(headMs) },
      handOff: kind,
      handOffReason: this.#choice.reason,
      connections: this.accounts.counts,
      rates: this.stats.rates,
    }
  }
}
