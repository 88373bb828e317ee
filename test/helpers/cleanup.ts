/** Where to put what must be done when a test is over; a test's context is one, and so is a program's `Cleanups`. */
export interface Cleanup {
  after(tidyUp: () => void | Promise<void>): void
}

/** For a program that uses the helpers outside of a test. */
export class Cleanups implements Cleanup {
  readonly #all: (() => void | Promise<void>)[] = []

  after(tidyUp: () => void | Promise<void>): void {
    this.#all.push(tidyUp)
  }

  /** Does all of it in the order in which it was put here, and throws the first failure when all is done. */
  async run(): Promise<void> {
    const problems: unknown[] = []
    for (const tidyUp of this.#all.splice(0)) {
      try {
        await tidyUp()
      } catch (error) {
        problems.push(error)
      }
    }
    if (problems.length > 0) throw problems[0]
  }
}
