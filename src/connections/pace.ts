/** Calls a function some time after it was asked for, once however often that was. */
export class Pace {
  readonly #ms: number
  readonly #beat: () => void
  #timer: NodeJS.Timeout | undefined
  #isKept = false

  /** @param ms - how long after, in milliseconds */
  constructor(ms: number, beat: () => void) {
    this.#ms = ms
    this.#beat = beat
  }

  /** Asks for the next call. */
  keep(): void {
    if (this.#isKept) return
    this.#isKept = true
    if (this.#timer === undefined) this.#timer = setTimeout(() => this.#onTime(), this.#ms)
    else this.#timer.refresh()
  }

  /** Drops what was asked for. */
  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#isKept = false
  }

  #onTime(): void {
    this.#isKept = false
    this.#beat()
  }
}
