import { setTimeout as delay } from 'node:timers/promises'
import { deferred } from '../deferred.ts'
import { stopping } from '../errors.ts'
import type { Events } from '../telemetry/events.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Inheritance, Tally } from './messages.ts'
import type { Estate, Successor } from './successor.ts'
import type { Accounts } from '../connections/accounts.ts'
import type { Dispatcher } from '../connections/dispatcher.ts'
import type { Figures } from '../connections/figures.ts'
import type { WorkerPool } from '../pool/worker-pool.ts'

/**
 * The gap between the connection numbers of a predecessor, which still accepts, and the later ones of its successor.
 */
const idGap = 1_000_000

/** How often to retry a connection for which the successor had no descriptor, in milliseconds. */
const retryEveryMs = 100

const successorHangs = 'The successor hangs, and takes nobody over; closing who waits here'

/** The parts of the service that a hand-over needs. */
export interface HandOverOptions {
  readonly accounts: Accounts
  readonly dispatcher: Dispatcher
  readonly pool: WorkerPool
  readonly events: Events
  readonly figures: Figures
  readonly log: Logger
}

/** Hands over the service: first what makes a process the service, then, once the successor serves, the queue. */
export class HandOver {
  readonly #options: HandOverOptions
  /** The process that is to take over, until that is decided. */
  #candidate: Successor | undefined
  #successor: Successor | undefined
  /** Receives the counters, once the whole queue was passed on. */
  #reportsTo: Successor | undefined
  /** Number of the last event that was reported to the successor. */
  #toldSeq = 0
  #decided: Promise<void> = Promise.resolve()
  #cancelled: Promise<void> | undefined

  constructor(options: HandOverOptions) {
    this.#options = options
  }

  /**
   * Has a process take over; resolves when it has. If it cannot, it is killed and nothing has changed.
   *
   * @param identity - what makes it this service in its fleet, and cannot change
   * @param estate - returns what is passed on, as it is at that moment
   * @param mustRun - throws when this service has ended in the meantime
   * @param onTaken - called in the turn in which the successor is known to serve
   * @throws HelloserverError `RELOAD_FAILED` with the reason
   */
  async perform(
    successor: Successor,
    identity: Pick<Inheritance, 'instance' | 'restartOnly'>,
    estate: () => Estate,
    mustRun: () => void,
    onTaken: () => void,
  ): Promise<void> {
    const { dispatcher, pool } = this.#options
    this.#candidate = successor
    this.#toldSeq = 0
    try {
      await successor.prepare({
        generation: pool.lastGeneration,
        lastConnectionId: dispatcher.lastId + idGap,
        ...this.#tally(),
        upgradeBeganAtMs: Date.now(),
        ...identity,
      })
      mustRun()
      const passed = estate()
      await successor.equip(passed)
      mustRun()
      const decided = deferred<void>()
      this.#decided = decided.promise
      try {
        await successor.go(passed)
        mustRun()
        this.#successor = successor
        onTaken()
      } finally {
        decided.resolve()
      }
    } catch (error) {
      await successor.kill()
      // A successor that was killed because this service ends is not at fault.
      throw this.#candidate === undefined ? stopping() : error
    } finally {
      this.#candidate = undefined
    }
  }

  /**
   * Pending from `go` until the successor serves or has failed: a stop waits for that, no longer than its deadline.
   */
  get decided(): Promise<void> {
    return this.#decided
  }

  /** The PID of the process that is the service now, if it is another one. */
  get successorPid(): number | undefined {
    return this.#successor?.pid
  }

  /** Sends a signal to the process that is the service now; false when it has died. */
  signalSuccessor(signal: NodeJS.Signals): boolean {
    return this.#successor?.signal(signal) ?? false
  }

  /** This service ends: kills the process that was to take it over. */
  cancel(): void {
    this.#cancelled ??= this.#candidate?.kill()
    this.#candidate = undefined
  }

  /** Resolves when no process holds the listening socket and the lock because of an abandoned upgrade. */
  async cancelled(): Promise<void> {
    await this.#cancelled
  }

  /**
   * Ends the workers after their active connections; the queue goes to the successor.
   *
   * @param predecessorGone - until it resolves, this process passes on what its own predecessor reports
   */
  async bowOut(predecessorGone: Promise<void> | undefined): Promise<void> {
    const successor = this.#successor
    if (successor === undefined) return
    const closed = this.#options.pool.close()
    void successor.report(this.#tally())
    await this.#passOn(successor)
    this.#reportsTo = successor
    this.settled()
    await closed
    // Connections that a worker had not claimed when it ended are back in the queue.
    await this.#passOn(successor)
    await predecessorGone
    await successor.report(this.#tally())
  }

  /** All counts, and the events since the last report. */
  #tally(): Tally {
    const { accounts, figures, events } = this.#options
    const news = events.since(this.#toldSeq)
    this.#toldSeq = news.at(-1)?.seq ?? this.#toldSeq
    return { counts: accounts.counts, figures: figures.totals, events: news }
  }

  /** Must be called for every connection that has ended. */
  settled(): void {
    void this.#reportsTo?.report(this.#tally())
  }

  /** Passes on one connection at a time, so that those that still wait here are looked after as usual. */
  async #passOn(successor: Successor): Promise<void> {
    const { dispatcher, log } = this.#options
    for (;;) {
      const next = dispatcher.withdraw()
      if (next === undefined) return
      const passed = await successor.pass(
        next.id,
        performance.now() - next.acceptedAtMs,
        next.handle,
      )
      switch (passed) {
        case 'adopted':
          dispatcher.passed(next)
          break
        case 'missing':
          dispatcher.keep(next)
          await delay(retryEveryMs)
          break
        case 'lost':
        case 'hung':
          if (passed === 'hung') log.error({ primaryPid: successor.pid }, successorHangs)
          // The service died in its new process: as with any primary that dies, its queue is lost with it.
          dispatcher.keep(next)
          dispatcher.abandon()
          return
      }
    }
  }
}
