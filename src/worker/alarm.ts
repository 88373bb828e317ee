import { type Clock, systemClock, type Timer } from '../clock.ts'

/**
 * A reusable timer for one thing at a time, always with the same duration.
 *
 * A worker sets several for each connection, and hardly any of them go off: this one is created once, pushed
 * back whenever it is set, and does nothing if it was cleared.
 */
export class Alarm {
  readonly #ms: number
  readonly #clock: Clock
  #timer: Timer | undefined
  #act: (() => void) | undefined

  /** @param ms - how long after it was set it goes off, in milliseconds */
  constructor(ms: number, clock: Clock = systemClock) {
    this.#ms = ms
    this.#clock = clock
  }

  set(act: () => void): void {
    this.#act = act
    if (this.#timer !== undefined) this.#timer.refresh()
    else this.#timer = this.#clock.setTimeout(() => this.#ring(), this.#ms)
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
