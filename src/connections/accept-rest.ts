/** How long nothing is accepted at most, in milliseconds. */
const restMs = 5

/** An acceptor, as its rest sees it. */
export interface Acceptor {
  /** Accepts connections as soon as they come, or only when `accept` is called. */
  listen(isOn: boolean): void
  /** Accepts the connections that wait; returns how many. */
  accept(): number
}

/** The hand-off, as far as acceptors ask it. */
export interface Supply {
  /** Whether more connections wait in the kernel's queue than are left when `onScarce` is called. */
  readonly isAmple: boolean
  /** Calls back once, when few are left. */
  awaitScarcity(onScarce: () => void): void
}

/**
 * Lets the acceptors rest while the workers have enough to take: connections then wait with the listening socket for
 * some milliseconds at most, and are accepted together. Otherwise, each would wake this process.
 */
export class AcceptRest {
  readonly #supply: Supply
  readonly #acceptors = new Set<Acceptor>()
  readonly #onScarce = () => this.#interrupt()
  #isResting = false
  #timer: NodeJS.Timeout | undefined

  constructor(supply: Supply) {
    this.#supply = supply
  }

  add(acceptor: Acceptor): void {
    this.#acceptors.add(acceptor)
    acceptor.listen(!this.#isResting)
  }

  remove(acceptor: Acceptor): void {
    this.#acceptors.delete(acceptor)
    if (this.#acceptors.size > 0) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#isResting = false
  }

  /** An acceptor has accepted all that there were: all may rest now. */
  offer(): void {
    if (this.#isResting || !this.#supply.isAmple) return
    this.#isResting = true
    for (const acceptor of this.#acceptors) acceptor.listen(false)
    this.#continue()
  }

  #continue(): void {
    this.#supply.awaitScarcity(this.#onScarce)
    if (this.#timer === undefined) this.#timer = setTimeout(this.#onScarce, restMs)
    else this.#timer.refresh()
  }

  #interrupt(): void {
    if (!this.#isResting) return
    let accepted = 0
    for (const acceptor of this.#acceptors) accepted += acceptor.accept()
    if (accepted > 0 && this.#supply.isAmple) {
      this.#continue()
      return
    }
    this.#isResting = false
    for (const acceptor of this.#acceptors) acceptor.listen(true)
  }
}
