import type { PendingConnection } from '../connections/pending-connection.ts'
import { claimsLost } from '../ipc/claim-register.ts'
import { isCount, type Progress } from '../ipc/progress.ts'
import type { WorkerView } from '../ipc/worker-messages.ts'
import type { SlotState } from '../lifecycle/slot-states.ts'
import type { WorkerProcess } from './worker-process.ts'

/** A worker that fails this often in a row to take a connection, or to report on one, is taken out of service. */
const maxStrikes = 3
/**
 * The same after this many heartbeats in a row that do not know the offered connection: the first may have
 * been under way.
 */
const maxBeats = 3

/** The slot of a worker that is judged. */
export interface Judged {
  readonly state: SlotState
  readonly inHand: PendingConnection | undefined
  /** Passes on the worker's report on its current connection. */
  progress(report: Progress): void
  /** Takes the worker out of service; `kill` makes it give up its current connection. */
  takeOut(reason: string, how: 'retire' | 'kill'): void
}

/**
 * Judges one process: a worker can be alive and yet unable to receive connections, to claim them or to report on them.
 * Each defect shows in what the worker fails to do.
 */
export class Fitness {
  readonly #slot: Judged
  readonly #process: Pick<WorkerProcess, 'claim'>
  /** Heartbeats that are closer to each other than this, in milliseconds, count as one. */
  readonly #apartMs: number
  #strikes = 0
  #beats = 0
  /** When a beat was last counted; monotonic milliseconds. */
  #beatMs = 0
  /** The connection that it reports to have claimed; 0 for none. */
  #reportedId = 0
  /** The last connection that it was offered. */
  #lastId = 0
  #reason: string | undefined

  /** @param heartbeatMs - how often the worker reports, in milliseconds */
  constructor(slot: Judged, process: Pick<WorkerProcess, 'claim'>, heartbeatMs: number) {
    this.#slot = slot
    this.#process = process
    this.#apartMs = heartbeatMs / 2
  }

  /** Why it cannot do its job; undefined while it can. */
  get reason(): string | undefined {
    return this.#reason
  }

  /** Only the first reason is kept; returns whether this is the first. */
  condemn(reason: string): boolean {
    const isFirst = this.#reason === undefined
    this.#reason ??= reason
    return isFirst
  }

  /** The worker is offered a connection. */
  offered(id: number): void {
    this.#beats = 0
    this.#beatMs = performance.now()
    this.#reportedId = 0
    this.#lastId = id
  }

  /** The worker reports on a connection; returns whether that was to be expected. */
  reported(report: Progress): boolean {
    const { inHand } = this.#slot
    if (inHand === undefined || inHand.id >>> 0 !== report.id) {
      // That one has ended already, by another message of the worker.
      return this.#lastId >>> 0 === report.id
    }
    if (report.step === 'missing') this.#strike('it cannot receive connections')
    else this.#strikes = 0
    this.#slot.progress(report)
    return true
  }

  /** Compares the worker's view in a heartbeat with what is known here: its reports may have been lost. */
  compare({ inHand: claimed, last }: WorkerView): void {
    const connection = this.#slot.inHand
    if (connection === undefined || claimed === undefined) return
    if (claimed === connection.id) {
      this.#reportedId = claimed
      if (this.#process.claim === claimed) return
      this.#slot.takeOut(claimsLost, 'retire')
    } else if (last?.id === connection.id && last.step !== 'missing') {
      // A miss may be that of an earlier offer: a connection that was missed is offered again.
      this.#afterReading(connection, () => {
        this.#strike('its reports do not reach the primary')
        this.#slot.progress({ ...last, id: last.id >>> 0 })
      })
    } else if (this.#slot.state === 'busy' && !this.hasClaimed(connection) && this.#ignores()) {
      this.#slot.takeOut('it ignores the connections that it is offered', 'kill')
    }
  }

  hasClaimed({ id }: PendingConnection): boolean {
    return this.claimedId === id
  }

  /**
   * The last connection that it has claimed, according to its register or itself; 0 for none. If the register has no
   * number in it, the app has overwritten it: the current connection may have been read, and must not be served twice.
   * If there is no register, a connection is only in hand once it is claimed.
   */
  get claimedId(): number {
    const { inHand } = this.#slot
    if (this.#reportedId !== 0 && this.#reportedId === inHand?.id) return this.#reportedId
    const { claim } = this.#process
    return claim !== undefined && isCount(claim) ? claim : (inHand?.id ?? 0)
  }

  /**
   * A heartbeat does not know the offered connection; returns whether that was once too often. Heartbeats that
   * piled up while this process was paused are older than the offer and arrive together: they do not count.
   */
  #ignores(): boolean {
    const nowMs = performance.now()
    if (nowMs - this.#beatMs < this.#apartMs) return false
    this.#beatMs = nowMs
    this.#beats += 1
    return this.#beats >= maxBeats
  }

  #strike(reason: string): void {
    this.#strikes += 1
    if (this.#strikes >= maxStrikes) this.#slot.takeOut(reason, 'retire')
  }

  /**
   * Acts if the connection is still the current one once everything written before now has been read: the pipe is read
   * in the next turn.
   */
  #afterReading(connection: PendingConnection, act: () => void): void {
    const check = () => {
      if (this.#slot.inHand === connection) act()
    }
    setImmediate(() => setImmediate(check))
  }
}
