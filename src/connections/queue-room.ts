import { maxAdminConnections } from '../config/admin-settings.ts'
import type { Config } from '../config/load.ts'
import { HelloserverError } from '../errors.ts'
import type { SocketHandle } from '../ipc/socket-handle.ts'
import type { Events } from '../telemetry/events.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Dispatcher } from './dispatcher.ts'
import { OpenFiles } from './open-files.ts'
import type { ConnectionQueue } from './queue.ts'
import type { WorkerPool } from '../pool/worker-pool.ts'

/** Descriptors reserved for the primary itself, and for each worker that there may be. */
const ownFiles = 64
const filesPerWorker = 8
/**
 * Descriptors that a worker takes: its outputs, Node's channel, the progress pipe, its register, the
 * connection in hand.
 */
const filesOfWorker = 6
/** Never taken by connections, so that a worker can be restarted, a command answered, a log opened. */
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
 * How many connections may wait: as many as configured, as far as there are descriptors for them. Each takes
 * one, as do many other things, and once none is left the runtime drops connections that nobody has counted.
 *
 * The queue's share follows the number of workers, and the limit of this process, as they change.
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

  /** Applies the limits of this configuration. */
  apply(config: Pick<Config, 'queue' | 'workers' | 'admin'>): void {
    this.#config = config
    this.#share(0)
  }

  /** Must be called once a second: follows changes of the system's limit and of the number of workers. */
  look(): void {
    this.#share(0)
    this.#relieve()
  }

  /**
   * Whether a connection that was just accepted leaves enough descriptors free: the system assigns the lowest
   * free number.
   */
  has({ fd = 0 }: SocketHandle): boolean {
    return fd < this.#ceiling
  }

  /**
   * Makes room for more workers.
   *
   * @throws HelloserverError `CANNOT_SPAWN` when there are not enough descriptors for them beside the queued
   * connections
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
    // During a reload there are two generations.
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

  /**
   * If the limit was lowered or something leaks, turns away the newest connections so that the others can continue.
   */
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
 * How many connections can wait at most.
 *
 * @param wanted - `queue.max`
 * @param workers - how many there may be, all generations together
 * @param limit - how many files this process may have open for the connections, the workers and itself
 */
export function affordableQueue(wanted: number, workers: number, limit: number): number {
  return Math.max(0, Math.min(wanted, limit - ownFiles - workers * filesPerWorker))
}
