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

/** How long a superseded bridge may take to finish what it shows, in milliseconds. */
const handoverMs = 1_000

/** The one place from which a supervisor speaks for the service; a replacement takes it over. */
export class SupervisorSeat {
  #holder: Supervisor | undefined

  /** The attached bridge's process; null when none is attached. */
  get pid(): number | null {
    return this.#holder?.pid ?? null
  }

  isHeldBy(supervisor: Supervisor | undefined): boolean {
    return supervisor !== undefined && supervisor === this.#holder
  }

  /**
   * Seats a bridge. Resolves, once the one that it replaces has left, with whether there was one.
   *
   * @throws HelloserverError `SUPERVISED` when a bridge that it does not replace has the seat
   */
  async take(supervisor: Supervisor): Promise<boolean> {
    const previous = this.#holder
    if (previous !== undefined && previous.instance !== supervisor.instance) {
      throw new HelloserverError(
        'SUPERVISED',
        `Process ${previous.pid} supervises the service already`,
      )
    }
    this.#holder = supervisor
    void this.#vacate(supervisor)
    if (previous === undefined) return false
    previous.notify('superseded', {})
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, handoverMs)
    })
    await Promise.race([previous.closed, late])
    clearTimeout(timer)
    return true
  }

  async #vacate(supervisor: Supervisor): Promise<void> {
    await supervisor.closed
    if (this.#holder === supervisor) this.#holder = undefined
  }

  /** Tells the attached bridge that the service ends on purpose. */
  announceDraining(cause: string): void {
    this.#holder?.notify('draining', { cause })
  }
}
