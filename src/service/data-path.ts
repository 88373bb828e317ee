import type { ConnectionCounts, FigureTotals, Status } from '../status.ts'
import type { Events } from '../telemetry/events.ts'
import type { HandoverState } from '../upgrade/upgrade-messages.ts'
import { AccessLog } from '../connections/access-log.ts'
import { Accounts } from '../connections/accounts.ts'
import { Dispatcher } from '../connections/dispatcher.ts'
import { Figures } from '../connections/figures.ts'
import { Listeners } from '../connections/listeners.ts'
import { ConnectionQueue } from '../connections/queue.ts'
import { QueueRoom } from '../connections/queue-room.ts'
import { Shedding } from '../connections/shedding.ts'
import type { CrewOptions } from '../pool/crew.ts'
import { WorkerPool } from '../pool/worker-pool.ts'
import type { Config } from '../config/load.ts'
import type { SocketHandle } from '../ipc/socket-handle.ts'

/**
 * How often to look for clients that left the queue, and how long a connection waits before it is checked;
 * milliseconds.
 */
const probeEveryMs = 1_000

/** The settings of a data path, and what it starts workers with. */
export interface DataPathOptions
  extends Pick<CrewOptions, 'service' | 'runDir' | 'workerModule' | 'openOutput' | 'log'> {
  readonly config: Config
  /** The state that a predecessor passes on; undefined for a service that starts afresh. */
  readonly state: HandoverState | undefined
}

/** The owner of a data path, which decides on hand-overs and is told of ends. */
export interface DataPathListener {
  /** Whether a connection may be handed to a worker at this very moment. */
  mayHandOut(): boolean
  /** A connection has left the accounts' open states. */
  onSettled(): void
}

/**
 * The path of a connection: accepted, queued, handed to a worker, ended; and everything that is counted on the way.
 */
export class DataPath {
  readonly accounts = new Accounts()
  readonly figures = new Figures()
  readonly queue: ConnectionQueue
  readonly room: QueueRoom
  readonly dispatcher: Dispatcher
  readonly pool: WorkerPool
  readonly listeners: Listeners
  readonly accessLog: AccessLog
  #probe: NodeJS.Timeout | undefined

  constructor(options: DataPathOptions, events: Events, listener: DataPathListener) {
    const { config, log, state } = options
    const shedding = new Shedding(events)
    this.accessLog = new AccessLog(log)
    this.queue = new ConnectionQueue(config.queue, (late) => this.dispatcher.expire(late))
    this.dispatcher = new Dispatcher(
      this.queue,
      this.accounts,
      config.queue.maxPerClient,
      {
        mayHandOut: () => listener.mayHandOut(),
        hasRoomFor: (handle) => this.room.has(handle),
        onFull: () => shedding.shed(this.queue.length),
        onHandled: (waitMs, handlingMs) => this.figures.handled(waitMs, handlingMs),
        onSettled: (connection, slot, report) => {
          this.accessLog.write(connection, slot, report)
          listener.onSettled()
        },
      },
      log,
      state?.lastConnectionId,
    )
    if (state !== undefined) this.inherit(state.counts, state.figures)
    const crew = {
      service: options.service,
      runDir: options.runDir,
      workerModule: options.workerModule,
      dispatcher: this.dispatcher,
      log,
      events,
      figures: this.figures,
      openOutput: options.openOutput,
      admit: (workers: number) => this.room.admit(workers),
    }
    this.pool = new WorkerPool(crew, state?.generation)
    const { queue, dispatcher, pool } = this
    this.room = new QueueRoom(config, { queue, dispatcher, pool, events, log })
    this.listeners = new Listeners((handle) => this.dispatcher.accept(handle), log)
    this.#logAccess(config)
  }

  /** Starts the regular checks of the queue, the figures and the descriptors. */
  watch(): void {
    this.#probe = setInterval(() => {
      this.dispatcher.probe(probeEveryMs)
      this.figures.look()
      this.room.look()
    }, probeEveryMs)
  }

  unwatch(): void {
    clearInterval(this.#probe)
  }

  /** Applies the limits of the queue and of clients, and what is logged. */
  apply(config: Config): void {
    this.room.apply(config)
    this.dispatcher.clients.max = config.queue.maxPerClient
    this.pool.logAt(config.logLevel)
    this.#logAccess(config)
  }

  /** Includes what a predecessor has counted so far; replaces its earlier counts. */
  inherit(counts: ConnectionCounts, totals: FigureTotals): void {
    this.accounts.inherit(counts)
    this.figures.inherit(totals)
  }

  /** Takes charge of a connection that was queued in the predecessor. */
  adopt(handle: SocketHandle, id: number, ageMs: number): void {
    this.accounts.takeFromInherited()
    this.dispatcher.adopt(id, handle, ageMs)
  }

  /** The predecessor has ended, and with it all connections that it still had. */
  writeOff(): void {
    this.accounts.writeOff()
  }

  /** Its part of the status. */
  get status(): Pick<Status, 'generation' | 'workers' | 'queue' | 'connections' | 'rates'> {
    return {
      generation: this.pool.current?.number ?? 0,
      workers: this.pool.slots.map((slot) => slot.status),
      queue: {
        length: this.queue.length,
        max: this.queue.max,
        oldestMs: Math.round(this.queue.oldestMs),
      },
      connections: this.accounts.counts,
      rates: this.figures.rates,
    }
  }

  #logAccess({ log: { access } }: Config): void {
    this.dispatcher.notePeers(access)
    this.accessLog.isOn = access
  }
}
