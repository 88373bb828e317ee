import type { Status } from '../status.ts'
import type { Events } from '../telemetry/events.ts'
import type { Tally } from '../upgrade/messages.ts'
import type { PredecessorListener } from '../upgrade/predecessor.ts'
import { AccessLog } from '../connections/access-log.ts'
import { Accounts } from '../connections/accounts.ts'
import { Dispatcher } from '../connections/dispatcher.ts'
import { Stats } from '../connections/stats.ts'
import { Listeners } from '../connections/listeners.ts'
import type { PrimaryOptions } from './primary-options.ts'
import { ConnectionQueue } from '../connections/queue.ts'
import { QueueRoom } from '../connections/queue-room.ts'
import { Shedding } from '../connections/shedding.ts'
import { WorkerPool } from '../pool/worker-pool.ts'

/**
 * How often to look for clients that left the queue, and how long a connection waits before it is checked;
 * milliseconds.
 */
const probeEveryMs = 1_000

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
  readonly figures = new Stats()
  readonly queue: ConnectionQueue
  readonly room: QueueRoom
  readonly dispatcher: Dispatcher
  readonly pool: WorkerPool
  readonly listeners: Listeners
  readonly accessLog: AccessLog
  readonly #events: Events
  readonly #onSettled: () => void
  #probe: NodeJS.Timeout | undefined

  constructor(options: PrimaryOptions, events: Events, listener: DataPathListener) {
    const { config, log, inheritance } = options
    this.#events = events
    this.#onSettled = () => listener.onSettled()
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
          this.#onSettled()
        },
      },
      log,
      inheritance?.lastConnectionId,
    )
    if (inheritance !== undefined) this.#inherit(inheritance)
    const crew = {
      service: options.name,
      runDir: options.runDir,
      workerModule: options.workerModule,
      dispatcher: this.dispatcher,
      log,
      events,
      figures: this.figures,
      openOutput: options.openOutput,
      admit: (workers: number) => this.room.admit(workers),
    }
    this.pool = new WorkerPool(crew, inheritance?.generation)
    const { queue, dispatcher, pool } = this
    this.room = new QueueRoom(config, { queue, dispatcher, pool, events, log })
    this.listeners = new Listeners((handle) => this.dispatcher.accept(handle), log)
  }

  /** Starts the regular checks of the queue, the figures and the descriptors. */
  watch(): void {
    this.#probe = setInterval(() => {
      this.dispatcher.probe(probeEveryMs)
      this.figures.sample()
      this.room.look()
    }, probeEveryMs)
  }

  unwatch(): void {
    clearInterval(this.#probe)
  }

  /** Receives what a predecessor sends while it finishes its active connections. */
  get heritage(): PredecessorListener {
    return {
      onConnection: (handle, id, ageMs) => {
        this.accounts.takeFromInherited()
        this.dispatcher.adopt(id, handle, ageMs)
      },
      onTally: (tally) => {
        this.#inherit(tally)
        for (const event of tally.events) this.#events.adopt(event)
        this.#onSettled()
      },
      onGone: () => {
        this.accounts.writeOff()
        this.#onSettled()
      },
    }
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

  #inherit({ counts, figures }: Tally): void {
    this.accounts.inherit(counts)
    this.figures.inherit(figures)
  }
}
