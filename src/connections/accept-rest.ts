import type { NativeAcceptor } from './native-acceptor.ts'

/** How long nothing is accepted at most, in milliseconds. */
const restMs = 5

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
  readonly #acceptors = new Set<NativeAcceptor>()
  readonly #onScarce = () => this.#interrupt()
  #isResting = false
  #timer: NodeJS.Timeout | undefined

  constructor(supply: Supply) {
    this.#supply = supply
  }

  add(acceptor: NativeAcceptor): void {
    this.#acceptors.add(acceptor)
    acceptor.listen(!this.#isResting)
  }

  remove(acceptor: NativeAcceptor): void {
    this.#acceptors.delete(acceptor)
    if (this.#acceptors.size > 0) return
    clearTimeout(this.#timer)
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
