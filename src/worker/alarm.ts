/**
 * A timer for one thing at a time, set again and again for the same duration.
 *
 * A worker sets several for each connection and lets hardly any go off: this one is made once, pushed back
 * when it is set, and finds nothing to do when it was cleared.
 */
export class Alarm {
  readonly #ms: number
  #timer: NodeJS.Timeout | undefined
  #act: (() => void) | undefined

  /** @param ms - how long after it is set it goes off, in milliseconds */
  constructor(ms: number) {
    this.#ms = ms
  }

  set(act: () => void): void {
    this.#act = act
    if (this.#timer === undefined) this.#timer = setTimeout(() => this.#ring(), this.#ms)
    else this.#timer.refresh()
  }

  clear(): void {
    this.#act = undefined
  }

  #ring(): void {
    const act = this.#act
    this.#act = undefined
    act?.()
  }
}
