import { deferred } from '../async/deferred.ts'

/** Runs one piece of work at a time: each begins when the previous one has ended, well or badly. */
export class Mutex {
  #last: Promise<void> = Promise.resolve()

  /** Performs `work` after everything that was requested before; settles as it does. */
  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    const release = await this.acquire()
    try {
      return await work()
    } finally {
      release()
    }
  }

  /** Resolves when everything that was requested before has ended, with a function that lets the next work begin. */
  async acquire(): Promise<() => void> {
    const previous = this.#last
    const released = deferred<void>()
    this.#last = released.promise
    await previous
    return () => released.resolve()
  }
}
