import type { Config } from '../config/load.ts'
import type { Accounts } from './accounts.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { WorkerPool } from './worker-pool.ts'

/** How long a worker that was told to drop everything may take; then it is killed. Milliseconds. */
const terminateGraceMs = 1_000
/** The longest that a timer can wait, in milliseconds. */
const maxTimerMs = 2_147_483_647

/** The steps in which a service that takes no more connections ends: serve what is left, or drop it, end the workers. */
export class Drain {
  readonly #accounts: Accounts
  readonly #dispatcher: Dispatcher
  readonly #pool: WorkerPool
  #onSettled: (() => void) | undefined

  constructor(accounts: Accounts, dispatcher: Dispatcher, pool: WorkerPool) {
    this.#accounts = accounts
    this.#dispatcher = dispatcher
    this.#pool = pool
  }

  /** To be told of every connection that has ended. */
  settled(): void {
    if (this.#accounts.unsettled === 0) this.#onSettled?.()
  }

  /** Resolves when no connection is queued or in hand, when time is up, or when `cut` is aborted. */
  async serveOut(timeoutMs: number, cut: AbortSignal): Promise<void> {
    if (this.#accounts.unsettled === 0 || cut.aborted) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs)
      const finish = () => {
        clearTimeout(timer)
        resolve()
      }
      this.#onSettled = finish
      cut.addEventListener('abort', finish, { once: true })
    })
  }

  /** Drops every connection and ends the workers; resolves with how many there were. */
  async dropAll(): Promise<number> {
    const dropped = this.#accounts.unsettled
    this.#dispatcher.abandon()
    await this.#pool.terminate(terminateGraceMs)
    // What a worker had not claimed when it ended is in the queue again.
    this.#dispatcher.abandon()
    return dropped
  }

  /** Ends the workers, every answer being out; one that does not end by itself has nothing left to lose. */
  async endWorkers({ connection, drain }: Config): Promise<void> {
    const killing = setTimeout(
      () => void this.#pool.terminate(terminateGraceMs),
      Math.min(connection.lingerMs + drain.timeoutMs, maxTimerMs),
    )
    await this.#pool.close()
    clearTimeout(killing)
  }
}
