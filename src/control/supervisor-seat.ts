import { HelloserverError } from '../errors.ts'
import type { Notifications } from './protocol.ts'

/** A bridge, as the primary sees it. */
export interface Supervisor {
  readonly pid: number
  /** Counts the supervisor's processes for this service; there is to be one, and its replacement has the same. */
  readonly instance: number
  notify<Name extends keyof Notifications>(name: Name, params: Notifications[Name]): void
  /** Resolves when its connection is gone. */
  readonly closed: Promise<void>
}

/** What a bridge comes to. */
export interface Taken {
  /** Another one was attached until now. */
  readonly superseded: boolean
  /** The last one has left for a restart, which this one is to perform. */
  readonly restarting: boolean
}

/** Told when the last bridge, a process, has been gone for a while, and whether it had left for a restart. */
export type Deserted = (last: { readonly pid: number | null; readonly isRestart: boolean }) => void

/** How long a superseded bridge may take to finish what it shows, in milliseconds. */
const handoverMs = 1_000

/** A bridge that is started again is back sooner, in milliseconds. */
const backWithinMs = 30_000

/** The one place from which a supervisor speaks for the service; a replacement takes it over. */
export class SupervisorSeat {
  readonly #onDeserted: Deserted
  readonly #backWithinMs: number
  #holder: Supervisor | undefined
  #isNextExpected = false
  #isClosed = false
  #desertion: NodeJS.Timeout | undefined

  constructor(onDeserted: Deserted, withinMs = backWithinMs) {
    this.#onDeserted = onDeserted
    this.#backWithinMs = withinMs
  }

  /** The attached bridge's process; null when none is attached. */
  get pid(): number | null {
    return this.#holder?.pid ?? null
  }

  isHeldBy(supervisor: Supervisor | undefined): boolean {
    return supervisor !== undefined && supervisor === this.#holder
  }

  /** Whether the last bridge has left for a restart, and no other one has come yet. */
  get isNextExpected(): boolean {
    return this.#isNextExpected
  }

  /** A bridge leaves for a restart: the next one is to perform that. */
  expectNext(): void {
    this.#isNextExpected = true
    if (this.#holder === undefined) this.#awaitNext(null)
  }

  /** The service ends here: nobody is to come back. */
  close(): void {
    this.#isClosed = true
    clearTimeout(this.#desertion)
  }

  /**
   * Seats a bridge. Resolves once the one that it replaces has left.
   *
   * @throws HelloserverError `SUPERVISED` when a bridge that it does not replace has the seat
   */
  async take(supervisor: Supervisor): Promise<Taken> {
    const previous = this.#holder
    if (previous !== undefined && previous.instance !== supervisor.instance) {
      throw new HelloserverError(
        'SUPERVISED',
        `Process ${previous.pid} supervises the service already`,
      )
    }
    clearTimeout(this.#desertion)
    // Once: a bridge that crashes on its way is no further restart.
    const restarting = this.#isNextExpected
    this.#isNextExpected = false
    this.#holder = supervisor
    void this.#vacate(supervisor)
    if (previous === undefined) return { superseded: false, restarting }
    previous.notify('superseded', { pid: supervisor.pid })
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, handoverMs)
    })
    await Promise.race([previous.closed, late])
    clearTimeout(timer)
    return { superseded: true, restarting }
  }

  async #vacate(supervisor: Supervisor): Promise<void> {
    await supervisor.closed
    if (this.#holder !== supervisor) return
    this.#holder = undefined
    this.#awaitNext(supervisor.pid)
  }

  #awaitNext(pid: number | null): void {
    clearTimeout(this.#desertion)
    if (this.#isClosed) return
    this.#desertion = setTimeout(
      () => this.#onDeserted({ pid, isRestart: this.#isNextExpected }),
      this.#backWithinMs,
    ).unref()
  }

  /** Tells the attached bridge that the service ends on purpose. */
  announceDraining(cause: string): void {
    this.close()
    this.#holder?.notify('draining', { cause })
  }
}
