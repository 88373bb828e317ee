import { deferred } from '../async/deferred.ts'
import type { Config } from '../config/load.ts'
import type { Connections } from '../connections/connections.ts'
import { type DrainEvent, type DrainPhase, drainTransitions } from '../lifecycle/drain-phases.ts'
import { Machine } from '../lifecycle/machine.ts'
import type { WorkerPool } from '../pool/pool.ts'
import type { DrainStatus } from '../status.ts'
import type { Logger } from '../telemetry/logger.ts'
import { Deadline } from './deadline.ts'

/** How long a worker that was told to drop everything may take before it is killed. Milliseconds. */
const terminateGraceMs = 1_000

/** The result of a stop. */
export interface StopResult {
  /** Connections that were dropped because the time was up, or the drain was cut short. */
  readonly dropped: number
}

/** The parts of the connections' path that a drain acts on. */
export type DrainedConnections = Pick<Connections, 'accounts' | 'dispatcher' | 'listeners'>

/**
 * The end of a service: one cause, one deadline, and the phases of `drainTransitions`. Later requests to end
 * find it under way, and can only shorten it.
 */
export class Drain {
  readonly #connections: DrainedConnections
  readonly #pool: WorkerPool
  readonly #log: Logger
  readonly #onMove: (event: DrainEvent, cause: string) => void
  readonly #machine: Machine<DrainPhase, DrainEvent>
  readonly #deadline = new Deadline(() => this.#timeIsUp())
  readonly #ended = deferred<StopResult>()
  #config: Config
  #cause = ''
  #dropped = 0

  /** @param onMove - called on each move, before any of its effects; `cause` is the drain's */
  constructor(
    connections: DrainedConnections,
    pool: WorkerPool,
    config: Config,
    log: Logger,
    onMove: (event: DrainEvent, cause: string) => void,
  ) {
    this.#connections = connections
    this.#pool = pool
    this.#config = config
    this.#log = log
    this.#onMove = onMove
    this.#machine = new Machine<DrainPhase, DrainEvent>(
      drainTransitions,
      'accepting',
      (from, event, to, cause) => log.info({ from, event, to, cause }, `The drain is at "${to}"`),
    )
  }

  /** Applies the time limits; a drain that has begun keeps those that it began with. */
  apply(config: Config): void {
    if (this.#machine.state === 'accepting') this.#config = config
  }

  /** The state of the drain; null until the end is requested. */
  get status(): DrainStatus | null {
    const { state: phase } = this.#machine
    if (phase === 'accepting') return null
    const { queued, active: inHand } = this.#connections.accounts.counts
    const { timeoutMs } = this.#config.drain
    const laterMs = phase === 'announcing' ? timeoutMs : 0
    return {
      cause: this.#cause,
      phase,
      queued,
      inHand,
      remainingMs: Math.ceil(this.#deadline.remainingMs + laterMs),
    }
  }

  /** Serves queued and active connections within `drain.timeoutMs`, and ends the workers. The first cause wins. */
  begin(cause: string): Promise<StopResult> {
    this.#move(this.#config.drain.announceMs > 0 ? 'announce' : 'close', cause)
    return this.#ended.promise
  }

  /** Gives up what the current phase waits for: the announcement, the queue, active connections, the workers. */
  escalate(cause: string): void {
    // A worker that has just become ready may have taken the last queued connection.
    this.advance()
    this.#move('escalate', cause)
  }

  /** Drops every connection and ends the workers. */
  cut(cause: string): Promise<StopResult> {
    this.#move('cut', cause)
    return this.#ended.promise
  }

  /** Moves on if a connection that has ended was the last one that the phase waits for. */
  advance(): void {
    const { accounts } = this.#connections
    if (this.#machine.state === 'serving-queue' && accounts.counts.queued === 0) {
      this.#move('queue-empty')
    }
    if (this.#machine.state === 'waiting-for-workers' && accounts.open === 0) {
      this.#move('settled')
    }
  }

  #move(event: DrainEvent, cause?: string): void {
    if (!this.#machine.accepts(event)) return
    if (this.#machine.state === 'accepting') this.#cause = cause ?? event
    const phase = this.#machine.apply(event, cause)
    this.#onMove(event, this.#cause)
    this.#enter(phase)
  }

  #enter(phase: DrainPhase): void {
    const { announceMs, timeoutMs } = this.#config.drain
    switch (phase) {
      case 'accepting':
        return
      case 'announcing':
        this.#deadline.set(announceMs)
        return
      case 'closing':
        this.#deadline.clear()
        void this.#connections.listeners.finish().then(() => this.#move('closed'))
        return
      case 'serving-queue':
        this.#deadline.set(timeoutMs)
        this.advance()
        return
      case 'waiting-for-workers':
        // Connections are still queued here only when the queue was given up.
        this.#dropped += this.#connections.dispatcher.abandon()
        this.advance()
        return
      case 'ending':
        // The last answers are with the system, and the closing handshakes may take that much longer.
        this.#deadline.set(this.#deadline.remainingMs + this.#config.connection.lingerMs)
        void this.#pool.close().then(() => this.#move('workers-gone'))
        return
      case 'cutting':
        this.#deadline.clear()
        this.#connections.listeners.close()
        void this.#dropAll()
        return
      case 'ended':
        this.#deadline.clear()
        this.#ended.resolve({ dropped: this.#dropped })
        return
    }
  }

  #timeIsUp(): void {
    if (this.#machine.state === 'announcing') {
      this.#move('close')
      return
    }
    const { open: dropped } = this.#connections.accounts
    const { timeoutMs } = this.#config.drain
    if (dropped > 0) {
      this.#log.warn(
        { dropped, timeoutMs },
        'The drain took too long; dropping the remaining connections',
      )
    }
    this.#move('timeout')
  }

  async #dropAll(): Promise<void> {
    const { accounts, dispatcher } = this.#connections
    this.#dropped += accounts.open
    dispatcher.abandon()
    await this.#pool.terminate(terminateGraceMs)
    // Connections that a worker had not claimed when it ended are back in the queue.
    dispatcher.abandon()
    this.#move('workers-gone')
  }
}
