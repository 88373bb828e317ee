import { PageReader, pageBytes } from '../ipc/worker-page.ts'
import type { NativeModule } from '../native/native.ts'
import { Grants } from './grants.ts'
import type { WorkerLink } from './hand-off.ts'
import type { Ledger } from './ledger.ts'
import type { Lifeline } from './lifeline.ts'

/** What the primary shares with one process of a worker: the page, and the bell that wakes the worker. */
export class NativeLink implements WorkerLink {
  readonly fds: readonly number[]
  readonly page: PageReader
  readonly grants: Grants
  readonly #native: NativeModule
  readonly #ledger: Ledger
  readonly #own: readonly number[]
  readonly #bell: number
  /** For which of its waits the worker was woken. */
  #wokenFor = 0

  /**
   * @param taking - the workers' end of the queue
   * @param fds - what the process holds for the next primary
   * @param mark - the name of its page
   * @throws Error when the system gives no descriptors or memory
   */
  constructor(
    native: NativeModule,
    taking: number,
    { fds, mark, ledger }: Pick<Lifeline, 'fds' | 'mark' | 'ledger'>,
  ) {
    const page = native.openPage(pageBytes, false, mark)
    if (typeof page === 'number') throw new Error(`Cannot open a page: memfd_create ${page}`)
    const bell = native.openBell()
    if (bell < 0) {
      native.close(page.fd)
      throw new Error(`Cannot open a bell: eventfd ${bell}`)
    }
    this.#native = native
    this.#bell = bell
    this.#own = [page.fd, bell]
    this.page = new PageReader(page.memory)
    this.#ledger = ledger
    this.grants = new Grants(ledger.openGrants())
    this.fds = [page.fd, taking, bell, ...fds]
  }

  /**
   * Grants more connections that the worker may accept by itself, if it can use them.
   *
   * @param draw - as in `Grants.extend`
   * @returns whether it did
   */
  grant(draw: (count: number) => number): boolean {
    if (!this.grants.extend(draw)) return false
    this.#ledger.keepGrants(this.grants.kept)
    this.page.grant(this.grants.granted)
    return true
  }

  /** Wakes the worker if it waits and was not woken since it began to; returns whether it has done so. */
  wake(): boolean {
    const { waits } = this.page
    if (waits % 2 === 0 || waits === this.#wokenFor) return false
    this.#wokenFor = waits
    this.#native.ring(this.#bell)
    return true
  }

  /** Wakes the worker if it waits. */
  wakeAgain(): void {
    if (this.page.waits % 2 === 1) this.#native.ring(this.#bell)
  }

  /** Its process has ended. */
  close(): void {
    this.#ledger.closeGrants(this.grants.kept)
    for (const fd of this.#own) this.#native.close(fd)
  }
}
