import type { Estate, Successor } from '../upgrade/successor.ts'
import type { Accounts } from './accounts.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { WorkerPool } from './worker-pool.ts'

/** Between the connections that a predecessor still accepts and those of its successor, which come after them. */
const idGap = 1_000_000

/** Passes the service on: first what makes a process the service, then, once the successor serves, who waits. */
export class HandOver {
  readonly #accounts: Accounts
  readonly #dispatcher: Dispatcher
  readonly #pool: WorkerPool
  #successor: Successor | undefined
  #decided: Promise<unknown> = Promise.resolve()

  constructor(accounts: Accounts, dispatcher: Dispatcher, pool: WorkerPool) {
    this.#accounts = accounts
    this.#dispatcher = dispatcher
    this.#pool = pool
  }

  /**
   * Has a process take over; resolves when it has. When it cannot, it is killed and nothing has changed.
   *
   * @param mustServe - throws when this service has come to its end meanwhile
   * @param onTaken - called in the turn in which the successor is known to serve
   * @throws HelloserverError `RELOAD_FAILED` with the reason
   */
  async perform(
    successor: Successor,
    estate: Estate,
    mustServe: () => void,
    onTaken: () => void,
  ): Promise<void> {
    try {
      await successor.prepare({
        generation: this.#pool.lastGeneration,
        lastConnectionId: this.#dispatcher.lastId + idGap,
        counts: this.#accounts.counts,
        upgradeBeganAtMs: Date.now(),
      })
      mustServe()
      const taken = successor.takeOver(estate).then(() => {
        this.#successor = successor
        onTaken()
      })
      this.#decided = taken.catch(() => {})
      await taken
    } catch (error) {
      successor.kill()
      throw error
    }
  }

  /** Pending while the successor has the sockets and does not serve yet: a stop waits for that. */
  get decided(): Promise<unknown> {
    return this.#decided
  }

  /** Ends the service over there, gracefully. */
  stopSuccessor(): void {
    this.#successor?.stop()
  }

  /**
   * Ends the workers after what they have in hand; who waits goes to the successor.
   *
   * @param predecessorGone - until then this process passes on what its own predecessor reports
   */
  async bowOut(predecessorGone: Promise<void> | undefined): Promise<void> {
    const closed = this.#pool.close()
    await this.#passOn()
    await closed
    // What a worker had not claimed when it ended is in the queue again.
    await this.#passOn()
    await predecessorGone
    await this.#successor?.report(this.#accounts.counts)
  }

  /** To be told of every connection that has ended. */
  settled(): void {
    void this.#successor?.report(this.#accounts.counts)
  }

  async #passOn(): Promise<void> {
    const passed: Promise<void>[] = []
    for (let next = this.#dispatcher.withdraw(); next; next = this.#dispatcher.withdraw()) {
      const { id, handle, acceptedAtMs } = next
      const sent = this.#successor?.pass(id, performance.now() - acceptedAtMs, handle)
      passed.push(Promise.resolve(sent).then(() => handle.close()))
    }
    this.settled()
    await Promise.all(passed)
  }
}
