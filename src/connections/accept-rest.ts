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
 *
 * While workers accept by themselves, the acceptors are suspended: see `Gate`.
 */
export class AcceptRest {
  readonly #supply: Supply
  readonly #acceptors = new Set<Acceptor>()
  readonly #onScarce = () => this.#interrupt()
  #state: 'listening' | 'resting' | 'suspended' = 'listening'
  #timer: NodeJS.Timeout | undefined

  constructor(supply: Supply) {
    this.#supply = supply
  }

  /** How many acceptors there are. */
  get size(): number {
    return this.#acceptors.size
  }

  add(acceptor: Acceptor): void {
    this.#acceptors.add(acceptor)
    acceptor.listen(this.#state === 'listening')
  }

  remove(acceptor: Acceptor): void {
    this.#acceptors.delete(acceptor)
    if (this.#acceptors.size > 0) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#state = 'listening'
  }

  /** An acceptor has accepted all that there were: all may rest now. */
  offer(): void {
    if (this.#state !== 'listening' || !this.#supply.isAmple) return
    this.#state = 'resting'
    this.#listen(false)
    this.#continue()
  }

  /** Accepts nothing until `resume`. */
  suspend(): void {
    if (this.#state === 'listening') this.#listen(false)
    this.#state = 'suspended'
  }

  resume(): void {
    if (this.#state !== 'suspended') return
    this.#state = 'listening'
    this.#listen(true)
    this.#accept()
  }

  #continue(): void {
    this.#supply.awaitScarcity(this.#onScarce)
    if (this.#timer === undefined) this.#timer = setTimeout(this.#onScarce, restMs)
    else this.#timer.refresh()
  }

  #interrupt(): void {
    if (this.#state !== 'resting') return
    if (this.#accept() > 0 && this.#supply.isAmple) {
      this.#continue()
      return
    }
    this.#state = 'listening'
    this.#listen(true)
  }

  #accept(): number {
    let accepted = 0
    for (const acceptor of this.#acceptors) accepted += acceptor.accept()
    return accepted
  }

  #listen(isOn: boolean): void {
    for (const acceptor of this.#acceptors) acceptor.listen(isOn)
  }
}
