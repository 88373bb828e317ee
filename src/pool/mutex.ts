/** Runs one piece of work at a time: each begins when the previous one has ended, well or badly. */
export class Mutex {
  #last: Promise<unknown> = Promise.resolve()

  /** Performs `work` after everything that was requested before; its result is the result. */
  run<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(work)
    this.#last = result.catch(() => {})
    return result
  }
}
