/** Lets one piece of work begin when the one before it has ended, well or badly. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve()

  /** Performs `work` after everything that was asked for before; settles as it does. */
  take<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(work)
    this.#last = result.catch(() => {})
    return result
  }
}
