import { maxAdminConnections } from '../config/admin.ts'
import type { Config } from '../config/load.ts'
import { HelloserverError } from '../errors.ts'
import type { SocketHandle } from '../ipc/socket-handle.ts'
import type { Events } from '../telemetry/events.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Dispatcher } from './dispatcher.ts'
import { OpenFiles } from './open-files.ts'
import type { ConnectionQueue } from './queue.ts'
import type { WorkerPool } from './worker-pool.ts'

/** Descriptors that are kept for the primary itself, and for each worker that there may be. */
const ownFiles = 64
const filesPerWorker = 8
/** A worker takes so many: its outputs, Node's channel, the progress pipe, its register, the connection in hand. */
const filesOfWorker = 6
/** Never taken by connections: a worker is started again with these, a command answered, a log opened. */
const spareFiles = 16

export interface QueueRoomOptions {
  readonly queue: ConnectionQueue
  readonly dispatcher: Dispatcher
  readonly pool: WorkerPool
  readonly events: Events
  readonly log: Logger
  readonly files?: Pick<OpenFiles, 'limit' | 'free'>
}

/**
 * How many connections may wait: as many as configured, as far as there are descriptors for them. Each takes one, so does
 * much else, and once there is none left the runtime drops connections that nobody has counted.
 *
 * The share of the queue follows the number of workers, and the limit of this process, as they change.
 */
export class QueueRoom {
  readonly #options: QueueRoomOptions
  readonly #files: Pick<OpenFiles, 'limit' | 'free'>
  #config: Pick<Config, 'queue' | 'workers' | 'admin'>
  #toldMax = Number.POSITIVE_INFINITY
  #isShort = false
  /** Descriptors have lower numbers than this while enough others are free. */
  #ceiling = Number.POSITIVE_INFINITY

  constructor(config: Pick<Config, 'queue' | 'workers' | 'admin'>, options: QueueRoomOptions) {
    this.#options = options
    this.#files = options.files ?? new OpenFiles()
    this.#config = config
    this.apply(config)
  }

  /** The limits are those of this configuration from now on. */
  apply(config: Pick<Config, 'queue' | 'workers' | 'admin'>): void {
    this.#config = config
    this.#share(0)
  }

  /** To be called once a second: looks for changes of the system's limit and of the number of workers. */
  look(): void {
    this.#share(0)
    this.#relieve()
  }

  /** Whether a connection that was just accepted leaves enough descriptors to others: the system gives out the lowest number. */
  has({ fd = 0 }: SocketHandle): boolean {
    return fd < this.#ceiling
  }

  /**
   * Makes room for more workers.
   *
   * @throws HelloserverError `CANNOT_SPAWN` when they and those who wait cannot both be had
   */
  admit(workers: number): void {
    const needed = workers * filesOfWorker + spareFiles
    const { free, limit } = this.#files
    if (workers > 0 && free < needed) {
      const { length } = this.#options.queue
      throw new HelloserverError(
        'CANNOT_SPAWN',
        `Cannot start ${workers} more ${workers === 1 ? 'worker' : 'workers'}: that takes ${needed} file descriptors, and ${free} of ${limit} are free while ${length} connections wait; raise "ulimit -n"`,
      )
    }
    this.#share(workers)
  }

  /** @param coming - workers that are about to be started */
  #share(coming: number): void {
    const { queue, pool, log } = this.#options
    const wanted = this.#config.queue
    const { limit } = this.#files
    // A reload has two generations.
    const workers = Math.max(
      pool.slots.length + coming,
      2 * (pool.current?.slots.length ?? this.#config.workers),
    )
    this.#ceiling = limit - spareFiles
    const max = affordableQueue(wanted.max, workers, limit - this.#pages)
    const { maxWaitMs } = wanted
    if (max !== queue.max || maxWaitMs !== queue.maxWaitMs) queue.limit({ max, maxWaitMs })
    if (max < wanted.max && max !== this.#toldMax) {
      log.warn(
        { wanted: wanted.max, max, limit, workers },
        'Too few open files are allowed for queue.max; raise "ulimit -n" to have all of it',
      )
    }
    this.#toldMax = max
  }

  /** The limit was lowered, or something leaks: who came last is turned away, so that the rest can go on. */
  #relieve(): void {
    const { queue, dispatcher, pool, events } = this.#options
    const { limit } = this.#files
    const most = queue.length + pool.slots.length * filesPerWorker + ownFiles + this.#pages
    const free = most <= limit ? spareFiles : this.#files.free
    const shed = dispatcher.shedLast(spareFiles - free)
    const isShort = free < spareFiles
    if (isShort && (shed > 0 || !this.#isShort)) {
      events.record('descriptors-short', { limit, free, shed })
    }
    this.#isShort = isShort
  }

  get #pages(): number {
    return this.#config.admin.http === false ? 0 : maxAdminConnections
  }
}

/**
 * How many connections can wait at the most.
 *
 * @param wanted - `queue.max`
 * @param workers - how many there may be, all generations together
 * @param limit - how many files this process may have open for them
 */
export function affordableQueue(wanted: number, workers: number, limit: number): number {
  return Math.max(0, Math.min(wanted, limit - ownFiles - workers * filesPerWorker))
}
