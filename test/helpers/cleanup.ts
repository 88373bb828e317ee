/** Collects what must be done after a test; implemented by a test's context and by a program's `Cleanups`. */
export interface Cleanup {
  after(tidyUp: () => void | Promise<void>): void
}

/** For a program that uses the helpers outside a test. */
export class Cleanups implements Cleanup {
  readonly #all: (() => void | Promise<void>)[] = []

  after(tidyUp: () => void | Promise<void>): void {
    this.#all.push(tidyUp)
  }

  /** Runs everything in the order in which it was registered, then throws the first failure. */
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
