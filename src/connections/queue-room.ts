import { maxAdminConnections } from '../config/admin-settings.ts'
import type { Config } from '../config/load.ts'
import { HelloserverError } from '../errors.ts'
import type { SocketHandle } from '../ipc/socket-handle.ts'
import type { Events } from '../telemetry/events.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Dispatcher } from './dispatcher.ts'
import { OpenFiles } from './open-files.ts'
import type { ConnectionQueue, QueueLimits } from './queue.ts'

/** Descriptors reserved for the primary itself, and for each worker that there may be. */
const ownFiles = 64
const filesPerWorker = 8
/**
 * Descriptors that a worker takes: its outputs, Node's channel, the progress pipe, its register, its
 * current connection.
 */
const filesOfWorker = 6
/** Never taken by connections, so that a worker can be restarted, a command answered, a log opened. */
const spareFiles = 16

/** The workers, as far as they need descriptors; implemented by the pool. */
export interface WorkerCounts {
  /** How many slots there are, of all generations. */
  readonly slotCount: number
  /** How many workers the current generation has; undefined before the first. */
  readonly size: number | undefined
}

/**
 * How many connections may wait: as many as configured, as far as there are descriptors for them. Each takes
 * one, as do many other things, and once none is left the runtime drops connections uncounted.
 *
 * The queue's share follows the number of workers, and the limit of this process, as they change.
 */
export class QueueRoom {
  readonly #queue: ConnectionQueue
  readonly #events: Events
  readonly #log: Logger
  readonly #files: Pick<OpenFiles, 'limit' | 'free'>
  #workers: WorkerCounts = { slotCount: 0, size: undefined }
  #wanted: QueueLimits = { max: 0, maxWaitMs: 0 }
  #configuredWorkers = 0
  /** How many connections the admin page may have. */
  #pages = 0
  #toldMax = Number.POSITIVE_INFINITY
  #isShort = false
  /** Descriptors have lower numbers than this while enough others are free. */
  #ceiling = Number.POSITIVE_INFINITY

  /** The queue gets its limits by `apply`. */
  constructor(
    queue: ConnectionQueue,
    events: Events,
    log: Logger,
    files: Pick<OpenFiles, 'limit' | 'free'> = new OpenFiles(),
  ) {
    this.#queue = queue
    this.#events = events
    this.#log = log
    this.#files = files
  }

  /** Reserves descriptors for these workers from now on. */
  follow(workers: WorkerCounts): void {
    this.#workers = workers
  }

  /** Applies `queue.max`, `queue.maxWaitMs`, `workers` and `admin.http`. */
  apply({ queue, workers, admin }: Pick<Config, 'queue' | 'workers' | 'admin'>): void {
    this.#wanted = queue
    this.#configuredWorkers = workers
    this.#pages = admin.http === false ? 0 : maxAdminConnections
    this.#share(0)
  }

  /** Must be called once a second: follows changes of the system's limit and of the number of workers. */
  check(dispatcher: Pick<Dispatcher, 'shedLast'>): void {
    this.#share(0)
    this.#relieve(dispatcher)
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
      const { length } = this.#queue
      throw new HelloserverError(
        'CANNOT_SPAWN',
        `Cannot start ${workers} more ${workers === 1 ? 'worker' : 'workers'}: that takes ${needed} file descriptors, and ${free} of ${limit} are free while ${length} connections wait; raise "ulimit -n"`,
      )
    }
    this.#share(workers)
  }

  /** @param coming - how many workers are about to be started */
  #share(coming: number): void {
    const wanted = this.#wanted
    const { slotCount, size = this.#configuredWorkers } = this.#workers
    const { limit } = this.#files
    // During a reload there are two generations.
    const workers = Math.max(slotCount + coming, 2 * size)
    this.#ceiling = limit - spareFiles
    const max = affordableQueue(wanted.max, workers, limit - this.#pages)
    const { maxWaitMs } = wanted
    const queue = this.#queue
    if (max !== queue.max || maxWaitMs !== queue.maxWaitMs) queue.limit({ max, maxWaitMs })
    if (max < wanted.max && max !== this.#toldMax) {
      this.#log.warn(
        { wanted: wanted.max, max, limit, workers },
        'The limit of open files is too low for queue.max; raise "ulimit -n"',
      )
    }
    this.#toldMax = max
  }

  /**
   * If the limit was lowered or something leaks, turns away the newest connections so that the others can continue.
   */
  #relieve(dispatcher: Pick<Dispatcher, 'shedLast'>): void {
    const { limit } = this.#files
    const { slotCount } = this.#workers
    const most = this.#queue.length + slotCount * filesPerWorker + ownFiles + this.#pages
    const free = most <= limit ? spareFiles : this.#files.free
    const shed = dispatcher.shedLast(spareFiles - free)
    const isShort = free < spareFiles
    if (isShort && (shed > 0 || !this.#isShort)) {
      this.#events.record('descriptors-short', { limit, free, shed })
    }
    this.#isShort = isShort
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
