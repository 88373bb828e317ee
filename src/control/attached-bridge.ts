import { withDeadline } from '../async/with-deadline.ts'
import { HelloserverError } from '../errors.ts'
import type { Notifications } from './protocol.ts'

/** A bridge as the primary sees it. */
export interface Supervisor {
  readonly pid: number
  /** Number of the supervisor's process for this service. There should be one; its replacement has the same. */
  readonly instance: number
  notify<Name extends keyof Notifications>(name: Name, params: Notifications[Name]): void
  /** Resolves when the bridge's connection is closed. */
  readonly closed: Promise<void>
}

/** The result of an attachment. */
export interface Attachment {
  /** Whether another bridge was attached until now. */
  readonly superseded: boolean
  /** Whether the last bridge left for a restart, which this one must perform. */
  readonly restarting: boolean
}

/** Called when the last bridge has been gone for a while; `isRestart`: it had left for a restart. */
export type Deserted = (last: { readonly pid: number | null; readonly isRestart: boolean }) => void

/** How long a superseded bridge may take to finish its output, in milliseconds. */
const handoverMs = 1_000

/** How long to wait for a bridge to come back, in milliseconds; a restarted one takes less. */
const backWithinMs = 30_000

/** The one bridge that speaks for the supervisor; a replacement takes its place. */
export class AttachedBridge {
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

  /** PID of the attached bridge; null when none is attached. */
  get pid(): number | null {
    return this.#holder?.pid ?? null
  }

  isHeldBy(supervisor: Supervisor | undefined): boolean {
    return supervisor !== undefined && supervisor === this.#holder
  }

  /** Whether the last bridge left for a restart, and no other one has come yet. */
  get isNextExpected(): boolean {
    return this.#isNextExpected
  }

  /** Notes that a bridge leaves for a restart, which the next one must perform. */
  expectNext(): void {
    this.#isNextExpected = true
    if (this.#holder === undefined) this.#awaitNext(null)
  }

  /** The service ends here, so no bridge is expected back. */
  close(): void {
    this.#isClosed = true
    clearTimeout(this.#desertion)
  }

  /**
   * Attaches a bridge. Resolves once the bridge that it replaces has left.
   *
   * @throws HelloserverError `SUPERVISED` when a bridge is attached that it does not replace
   */
  async attach(supervisor: Supervisor): Promise<Attachment> {
    const previous = this.#holder
    if (previous !== undefined && previous.instance !== supervisor.instance) {
      throw new HelloserverError(
        'SUPERVISED',
        `Process ${previous.pid} already supervises the service`,
      )
    }
    clearTimeout(this.#desertion)
    // Only once: the crash of that bridge is not another restart.
    const restarting = this.#isNextExpected
    this.#isNextExpected = false
    this.#holder = supervisor
    void this.#vacate(supervisor)
    if (previous === undefined) return { superseded: false, restarting }
    previous.notify('superseded', { pid: supervisor.pid })
    await withDeadline(previous.closed, handoverMs, () => {})
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

  /** Tells the attached bridge that the service is ending on purpose. */
  announceDraining(cause: string): void {
    this.close()
    this.#holder?.notify('draining', { cause })
  }
}
