import { InterruptibleSleep } from '../async/interruptible-sleep.ts'
import { endpointsText } from '../endpoint.ts'
import { messageOf } from '../errors.ts'
import type { Status } from '../status.ts'
import { StoreError } from '../store-error.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { HostReport } from './fleet.ts'
import { type FleetStore, type Heartbeat, heartbeatMs, type Member } from './fleet-store.ts'
import { isUp, reportOf } from './host-report.ts'

/** This host's registration in the fleet: reports its state once per heartbeat and on every change. */
export class Registration {
  readonly #store: FleetStore
  readonly #member: Member
  readonly #permit: () => Heartbeat['permit']
  readonly #log: Logger
  readonly #wake = new InterruptibleSleep()
  #status: (() => Status) | undefined
  #isReady = false
  #hasRegistered = false
  #hasBeenUp = false
  #hasSeenOthers = false
  #hasSeenRival = false
  #reason: string | null = 'This host has not registered yet'

  /** @param permit - the purpose of this host's permit, or whether it waits for one */
  constructor(store: FleetStore, member: Member, permit: () => Heartbeat['permit'], log: Logger) {
    this.#store = store
    this.#member = member
    this.#permit = permit
    this.#log = log
  }

  /** Why this host's state could not be reported to the fleet; null once it has been. */
  get reason(): string | null {
    return this.#reason
  }

  get isStarted(): boolean {
    return this.#status !== undefined
  }

  /** Whether this host has never seen another one. */
  get isAlone(): boolean {
    return !this.#hasSeenOthers
  }

  /** Whether this host serves, or could serve at once. */
  get isUp(): boolean {
    return this.#isReady && this.#status !== undefined && isUp(this.#status())
  }

  /**
   * Registers this host and keeps reporting its state.
   *
   * @throws HelloserverError `BAD_CONFIG` when the fleet uses another `fleet.maxDown`
   */
  async start(status: () => Status): Promise<void> {
    this.#status = status
    try {
      await this.#register(status())
    } catch (error) {
      this.#warn(error)
      if (!(error instanceof StoreError)) throw error
    }
    void this.#reportUntilStopped(status)
  }

  /**
   * The others may now count on this host. Unless `start` was called, continues the entry of another process of this
   * host.
   */
  markReady(status: () => Status): void {
    this.#isReady = true
    this.#wake.now()
    if (this.isStarted) return
    this.#status = status
    this.#hasRegistered = true
    void this.#reportUntilStopped(status)
  }

  /** Reports this host's state at once. */
  report(): void {
    this.#wake.now()
  }

  stop(): void {
    this.#wake.end()
  }

  async #reportUntilStopped(status: () => Status): Promise<void> {
    for (;;) {
      await this.#wake.sleep(heartbeatMs)
      if (this.#wake.isOver) return
      try {
        await this.#register(status())
      } catch (error) {
        if (!this.#wake.isOver) this.#warn(error)
      }
    }
  }

  async #register(status: Status): Promise<void> {
    // Until the host has started, it could still fail.
    const reported: Status = this.#isReady ? status : { ...status, state: 'starting' }
    this.#hasBeenUp ||= isUp(reported)
    const { others, rival } = await this.#store.heartbeat(this.#member, {
      report: reportOf(reported),
      isUp: isUp(reported),
      hasBeenUp: this.#hasBeenUp,
      hasRegistered: this.#hasRegistered,
      permit: this.#permit(),
    })
    if (this.#reason !== null) {
      this.#log.info({ host: this.#member.host, others }, 'This host is registered in the fleet')
    }
    this.#reason = null
    this.#hasRegistered = true
    this.#hasSeenOthers ||= others > 0
    if (rival !== undefined) this.#reportRival(rival)
  }

  #reportRival(report: HostReport): void {
    const { pid, listen } = report
    if (this.#hasSeenRival) return
    this.#hasSeenRival = true
    const { host } = this.#member
    this.#log.error(
      { host, pid, listen },
      `Two hosts are named "${host}": the other one is process ${pid}, on ${endpointsText(report)}. The fleet treats them as one; set lease.host to a different name on each`,
    )
  }

  /** Logs each reason once, since it recurs every second. */
  #warn(error: unknown): void {
    const reason = messageOf(error)
    if (reason === this.#reason) return
    this.#reason = reason
    this.#log.warn({ reason }, "Cannot report this host's state to the fleet")
  }
}
