/** Sleeps that can be cut short: the next one by `now`, all of them by `end`. */
export class InterruptibleSleep {
  #wake: (() => void) | undefined
  readonly #over = new AbortController()
  #isDue = false

  /** Whether it has ended for good. */
  get isOver(): boolean {
    return this.#over.signal.aborted
  }

  /** Aborted when it has ended for good. */
  get signal(): AbortSignal {
    return this.#over.signal
  }

  /** Resolves after `ms`, or when woken; at once if it was woken since the last sleep. */
  async sleep(ms: number): Promise<void> {
    if (!this.isOver && !this.#isDue) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    this.#wake = undefined
    this.#isDue = false
  }

  now(): void {
    this.#isDue = true
    this.#wake?.()
  }

  end(): void {
    this.#over.abort()
    this.#wake?.()
  }
}
