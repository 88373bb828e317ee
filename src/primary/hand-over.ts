import { setTimeout as delay } from 'node:timers/promises'
import { deferred } from '../deferred.ts'
import { stopping } from '../errors.ts'
import type { Events } from '../telemetry/events.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Inheritance, Tally } from '../upgrade/messages.ts'
import type { Estate, Successor } from '../upgrade/successor.ts'
import type { Accounts } from './accounts.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { Figures } from './figures.ts'
import type { WorkerPool } from './worker-pool.ts'

/** Between the connections that a predecessor still accepts and those of its successor, which come after them. */
const idGap = 1_000_000

/** How often a connection is offered again that the successor had no descriptor for, in milliseconds. */
const retryEveryMs = 100

const successorHangs = 'The successor hangs, and takes nobody over; closing who waits here'

/** What a successor takes over from. */
export interface HandOverOptions {
  readonly accounts: Accounts
  readonly dispatcher: Dispatcher
  readonly pool: WorkerPool
  readonly events: Events
  readonly figures: Figures
  readonly log: Logger
}

/** Passes the service on: first what makes a process the service, then, once the successor serves, who waits. */
export class HandOver {
  readonly #options: HandOverOptions
  /** The process that is to take over, until that is decided. */
  #candidate: Successor | undefined
  #successor: Successor | undefined
  /** Whom the counters are reported to, once everybody who waited was passed on. */
  #reportsTo: Successor | undefined
  /** The last event that the successor was told of. */
  #toldSeq = 0
  #decided: Promise<void> = Promise.resolve()
  #cancelled: Promise<void> | undefined

  constructor(options: HandOverOptions) {
    this.#options = options
  }

  /**
   * Has a process take over; resolves when it has. When it cannot, it is killed and nothing has changed.
   *
   * @param identity - what makes it this service in its fleet, and cannot change
   * @param estate - what is passed on, asked for at that moment
   * @param mustRun - throws when this service has come to its end meanwhile
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
      // Nothing is wrong with what was killed because this service ends.
      throw this.#candidate === undefined ? stopping() : error
    } finally {
      this.#candidate = undefined
    }
  }

  /** Pending while the successor has the word to serve, and may: a stop waits for that, no longer than its deadline. */
  get decided(): Promise<void> {
    return this.#decided
  }

  /** The process that is the service now, if another one is. */
  get successorPid(): number | undefined {
    return this.#successor?.pid
  }

  /** Sends a signal to the process that is the service now; false when that has died. */
  signalSuccessor(signal: NodeJS.Signals): boolean {
    return this.#successor?.signal(signal) ?? false
  }

  /** This service ends: nobody is to take it over. */
  cancel(): void {
    this.#cancelled ??= this.#candidate?.kill()
    this.#candidate = undefined
  }

  /** Resolves when nobody has the listening socket and the lock because of an upgrade that was given up. */
  async cancelled(): Promise<void> {
    await this.#cancelled
  }

  /**
   * Ends the workers after what they have in hand; who waits goes to the successor.
   *
   * @param predecessorGone - until then this process passes on what its own predecessor reports
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
    // What a worker had not claimed when it ended is in the queue again.
    await this.#passOn(successor)
    await predecessorGone
    await successor.report(this.#tally())
  }

  /** All that is counted, and what has happened since it was told last. */
  #tally(): Tally {
    const { accounts, figures, events } = this.#options
    const news = events.since(this.#toldSeq)
    this.#toldSeq = news.at(-1)?.seq ?? this.#toldSeq
    return { counts: accounts.counts, figures: figures.totals, events: news }
  }

  /** To be told of every connection that has ended. */
  settled(): void {
    void this.#reportsTo?.report(this.#tally())
  }

  /** One after the other, so that those who still wait here are looked after as ever. */
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
          // The service died in its new process: as when a primary does, who waits is lost with it.
          dispatcher.keep(next)
          dispatcher.abandon()
          return
      }
    }
  }
}
